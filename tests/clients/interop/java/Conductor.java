import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;

/** Requests to the conductor, and the lines of the checks. Runs on the main thread. */
final class Conductor {
    interface Body {
        void run() throws Exception;
    }

    private final HttpClient http = HttpClient.newHttpClient();
    private final String control;
    private boolean failed;

    Conductor(String control) {
        this.control = control;
    }

    /** Returns the answer to a POST request. The query is a list of keys and values. */
    String ask(String path, byte[] body, String... query) throws Exception {
        StringBuilder target = new StringBuilder(control + path);
        for (int index = 0; index < query.length; index += 2) {
            target.append(index == 0 ? '?' : '&').append(query[index]).append('=');
            target.append(URLEncoder.encode(query[index + 1], StandardCharsets.UTF_8));
        }
        HttpRequest request = HttpRequest.newBuilder(URI.create(target.toString()))
                .POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
        HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        same(answer.statusCode(), 200, path + ": " + answer.body());
        return answer.body();
    }

    String ask(String path, String... query) throws Exception {
        return ask(path, new byte[0], query);
    }

    /** Returns the payload of scenario.py's function `padded`. */
    static String padded(String name, int n) {
        String pad = (n + "é ").repeat(Math.max(n, 0) % 100);
        return "{\"from\":\"%s\",\"n\":%d,\"pad\":\"%s\"}".formatted(name, n, pad);
    }

    static void same(Object actual, Object expected, String what) {
        boolean equal = actual instanceof byte[] bytes && expected instanceof byte[] others
                ? Arrays.equals(bytes, others) : Objects.equals(actual, expected);
        if (!equal) throw new AssertionError(what + ": got " + clip(actual) + ", expected " + clip(expected));
    }

    private static String clip(Object value) {
        String text = value instanceof byte[] bytes ? bytes.length + " bytes" : String.valueOf(value);
        return text.length() <= 120 ? text : text.substring(0, 120) + "… (" + text.length() + ")";
    }

    void check(String name, Body body) {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable fault) {
            failed = true;
            System.out.println(("not ok " + name + ": " + fault).replace('\n', ' '));
        }
    }

    /** Ends the program without waiting for the threads of the library under test. */
    void end() {
        System.out.println("done");
        System.exit(failed ? 1 : 0);
    }
}
