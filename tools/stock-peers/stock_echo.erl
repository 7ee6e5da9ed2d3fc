%% A service for stock servers of ubf 1.16 and 2.x: it repeats what it is told, and rings. And a
%% client for servers of ours.
-module(stock_echo).
-behaviour(ubf_plugin_stateful).

-compile({parse_transform, contract_parser}).
-add_contract("stock_echo").

-export([info/0, description/0, managerStart/1, managerRestart/2, managerRpc/2]).
-export([handlerStart/2, handlerStop/3, handlerRpc/4]).
-export([serve/0, call/4]).

info() -> "repeats what it is told".
description() -> "for programs that test others".

managerStart(_) -> {ok, none}.
managerRestart(_, _) -> ok.
managerRpc(_, State) -> {ok, State}.

handlerStart(_, _) -> {accept, ok, start, 0}.
handlerStop(_, _, State) -> State.

handlerRpc(start, {say, What}, Count, _) -> {{said, What}, start, Count + 1};
handlerRpc(start, ring, Count, _) ->
    ubf_plugin_handler:sendEvent(self(), {bell, Count}),
    {ok, start, Count + 1}.

%% Serves on any port that is free, says which, and goes on until its standard input ends.
serve() ->
    {ok, Socket} = gen_tcp:listen(0, []),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Options = [{proto, ubf}, {serverhello, "stock server"}, {maxconn, 10000}],
    {ok, _} = ubf_server:start_link(stock_echo_server, [?MODULE], Port, Options),
    io:format("listening ~w~n", [Port]),
    _ = io:get_line(""),
    halt(0).

%% Calls a server so many times with so many milliseconds between, and says how many replies were
%% good, and how many events came.
call(Port, Request, Count, Pause) ->
    {ok, Pid, _} = ubf_client:connect("127.0.0.1", Port, [{proto, ubf}], 5000),
    Bells = counters:new(1, []),
    ack = ubf_client:install_handler(Pid, counting(Bells)),
    {reply, {ok, _}, start} = ubf_client:rpc(Pid, {startSession, {'#S', "stock"}, []}, 5000),
    Call = fun(N) ->
        timer:sleep(Pause),
        is_good(Request, N, ubf_client:rpc(Pid, request(Request, N), 5000))
    end,
    Good = length([1 || N <- lists:seq(1, Count), Call(N)]),
    %% The last event is behind the last reply, and the client's process has it at last then.
    timer:sleep(Pause * 10),
    ubf_client:stop(Pid),
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
