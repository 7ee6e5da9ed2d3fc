%% The same for Armstrong's ubf 1.12, whose server starts a plugin of this name as "test_server".
-module(test_plugin).

-compile({parse_transform, contract_parser}).
-add_contract("test_plugin").

-export([info/0, description/0, managerStart/1, managerRpc/2]).
-export([handlerStart/2, handlerStop/3, handlerRpc/4]).
-export([serve/0, call/4]).

info() -> "repeats what it is told".
description() -> "for programs that test others".

managerStart(_) -> {ok, none}.
managerRpc(_, State) -> {ok, State}.

handlerStart(_, _) -> {accept, ok, start, 0}.
handlerStop(_, _, State) -> State.

handlerRpc(start, {say, What}, Count, _) -> {{said, What}, start, Count + 1};
handlerRpc(start, ring, Count, _) ->
    server:sendEvent(self(), {bell, Count}),
    {ok, start, Count + 1}.

%% Serves on any port that is free, says which, and goes on until its standard input ends.
serve() ->
    {ok, Socket} = gen_tcp:listen(0, []),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    server:start(Port),
    await(Port),
    io:format("listening ~w~n", [Port]),
    _ = io:get_line(""),
    halt(0).

%% The server says nowhere that it listens.
await(Port) ->
    case gen_tcp:connect("127.0.0.1", Port, []) of
        {ok, Socket} -> gen_tcp:close(Socket);
        {error, econnrefused} -> timer:sleep(20), await(Port)
    end.

%% Calls a server so many times with so many milliseconds between, and says how many replies were
%% good, and how many events came.
call(Port, Request, Count, Pause) ->
    {ok, Pid, _} = client:connect("127.0.0.1", Port),
    Bells = counters:new(1, []),
    ack = client:install_handler(Pid, counting(Bells)),
    {reply, {ok, _}, start} = client:rpc(Pid, {startService, {'#S', "stock"}, []}),
    Call = fun(N) ->
        timer:sleep(Pause),
        is_good(Request, N, client:rpc(Pid, request(Request, N)))
    end,
    Good = length([1 || N <- lists:seq(1, Count), Call(N)]),
    timer:sleep(Pause * 10),
    client:stop(Pid),
    io:format("good ~w ~w~n", [Good, counters:get(Bells, 1)]),
    halt(0).

counting(Bells) ->
    fun({bell, _}) ->
            counters:add(Bells, 1, 1),
            counting(Bells);
       (_) ->
            counting(Bells)
    end.

request(say, N) -> {say, {N, {'#S', "text"}, [N, <<"level">>]}};
request(ring, _) -> ring.

is_good(say, N, Reply) -> {say, What} = request(say, N), Reply =:= {reply, {said, What}, start};
is_good(ring, _, Reply) -> Reply =:= {reply, ok, start}.
