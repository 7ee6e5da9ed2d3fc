// A client of Java's ubf: calls a server of ours so many times, and says how many replies were
// good, and how many events came. Its calls hang if a reply is lost, so that the caller has a clock.

import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

import ubf.UBF;
import ubf.UBFAtom;
import ubf.UBFClient;
import ubf.UBFEventHandler;
import ubf.UBFInteger;
import ubf.UBFList;
import ubf.UBFObject;
import ubf.UBFString;

public class StockCall {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        int count = Integer.parseInt(args[2]);
        AtomicInteger bells = new AtomicInteger();
        UBFEventHandler handler = new UBFEventHandler() {
            public void handleEvent(UBFClient client, UBFObject event) {
                if (event.isTaggedTuple("bell", 2)) {
                    bells.incrementAndGet();
                }
            }
            public void connectionClosed(UBFClient client) {}
        };
        UBFClient client = UBFClient.new_via_sock(
            new UBFString("stock"), new UBFList(), handler, new Socket("127.0.0.1", port));
        int good = 0;
        for (int n = 1; n <= count; n++) {
            if (args[1].equals("ring")) {
                good += client.rpc(new UBFAtom("ring")).equals(new UBFAtom("ok")) ? 1 : 0;
            } else {
                UBFObject what = UBF.tuple(new UBFInteger(n), new UBFString("text"));
                UBFObject said = client.rpc(UBF.tuple(new UBFAtom("say"), what));
                good += said.equals(UBF.tuple(new UBFAtom("said"), what)) ? 1 : 0;
            }
        }
        // Events that are behind the last reply come in front of the reply to one more call.
        client.rpc(UBF.tuple(new UBFAtom("say"), new UBFAtom("end")));
        Thread.sleep(100);
        System.out.println("good " + good + " " + bells.get());
        System.exit(0);
    }
}
