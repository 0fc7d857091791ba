import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Shared by the checks in Java: requests to the conductor, waiting, reporting. */
final class Conductor {
    static final int WAIT_S = 15;

    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static boolean failed;

    private final String url;

    /** A check, which throws if it fails. */
    interface Body {
        void run() throws Exception;
    }

    Conductor(String url) {
        this.url = url;
    }

    /** Posts a request and returns the JSON text of the answer. */
    String ask(String path, byte[] body) throws Exception {
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(url + path))
                        .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                        .build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new AssertionError(path + ": " + answer.body());
        return answer.body();
    }

    String ask(String path) throws Exception {
        return ask(path, new byte[0]);
    }

    void publish(String topic, byte[] payload) throws Exception {
        ask("/publish?topic=" + encoded(topic), payload);
    }

    /** Publishes {"n":0} to {"n":count-1}. */
    void count(String topic, int count) throws Exception {
        ask("/publish?topic=" + encoded(topic) + "&count=" + count);
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    static void until(BooleanSupplier condition, Supplier<String> what, int seconds)
            throws InterruptedException {
        long deadline = System.nanoTime() + seconds * 1_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError("waited " + seconds + " s for " + what.get());
            }
            Thread.sleep(5);
        }
    }

    static void same(Object actual, Object expected, String what) {
        if (!actual.equals(expected)) {
            throw new AssertionError(what + ": got " + clip(actual) + ", expected " + clip(expected));
        }
    }

    private static String clip(Object value) {
        String text = String.valueOf(value);
        return text.length() <= 120 ? text : text.substring(0, 120) + "… (" + text.length() + ")";
    }

    /** Runs one check and prints its line. */
    static void check(String name, Body body) {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Exception | AssertionError fault) {
            failed = true;
            System.out.println(("not ok " + name + ": " + fault).replace('\n', ' '));
        }
    }

    /** Prints the last line and ends the program with exit code 1 if a check failed. */
    static void done() {
        System.out.println("done");
        System.exit(failed ? 1 : 0);
    }
}
