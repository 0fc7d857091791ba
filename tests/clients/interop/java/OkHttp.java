import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.WebSocket;
import okhttp3.WebSocketListener;
import okio.ByteString;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** OkHttp on /raw and in the client protocol. Arguments: base URL, control URL. */
public final class OkHttp extends Connection {
    private static final String EXTENSIONS = "Sec-WebSocket-Extensions";
    private static final OkHttpClient CLIENT = new OkHttpClient();
    /** OkHttp has no option that turns the offer off, so that this client removes it. */
    private static final OkHttpClient PLAIN = CLIENT.newBuilder().addInterceptor(chain ->
            chain.proceed(chain.request().newBuilder().removeHeader(EXTENSIONS).build())).build();

    private final CompletableFuture<Response> opened = new CompletableFuture<>();
    private WebSocket socket;

    private static Connection open(String url, boolean compressed) throws Exception {
        OkHttp connection = new OkHttp();
        Request request = new Request.Builder().url(url).build();
        connection.socket = (compressed ? CLIENT : PLAIN).newWebSocket(request, connection.new Listener());
        String answer = connection.opened.get(15, TimeUnit.SECONDS).header(EXTENSIONS, "");
        Conductor.same(answer.startsWith("permessage-deflate"), compressed, "compression: " + answer);
        return connection;
    }

    private final class Listener extends WebSocketListener {
        @Override
        public void onOpen(WebSocket socket, Response response) {
            opened.complete(response);
        }

        @Override
        public void onMessage(WebSocket socket, String text) {
            messages.add(text);
        }

        @Override
        public void onMessage(WebSocket socket, ByteString bytes) {
            messages.add(bytes.toByteArray());
        }

        @Override
        public void onClosing(WebSocket socket, int code, String reason) {
            socket.close(1000, null);
        }

        @Override
        public void onClosed(WebSocket socket, int code, String reason) {
            closed.complete(code);
        }

        @Override
        public void onFailure(WebSocket socket, Throwable fault, Response response) {
            opened.completeExceptionally(fault);
            fault(fault);
        }
    }

    @Override
    void send(String text) {
        socket.send(text);
    }

    @Override
    public void close() {
        socket.cancel();
    }

    public static void main(String[] arguments) {
        Conductor conductor = new Conductor(arguments[1]);
        new Scenario("okhttp", arguments[0], conductor, OkHttp::open).run();
        conductor.end();
    }
}
