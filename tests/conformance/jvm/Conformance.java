import java.util.Map;
import java.util.TreeMap;

/** Runs one case of a program and prints its outcome as one JSON object. */
final class Conformance {

    /** Reads the values of a case; {@code argument} is empty if the case has none. */
    interface Case {
        Map<String, String> read(String argument) throws Throwable;
    }

    private static final class NullException extends Exception {
        private static final long serialVersionUID = 1;
    }

    private Conformance() {}

    /** Runs {@code CASE [ARGUMENT]} and ends the process: 0, or 1 if the SDK failed. */
    static void run(String[] words, Map<String, Case> cases) {
        int code = 0;
        Map<String, String> outcome;
        try {
            outcome = cases.get(words[0]).read(words.length > 1 ? words[1] : "");
        } catch (NullException nothing) {
            code = 1;
            outcome = Map.of("error", "null", "message", "null instead of a value, and no exception");
        } catch (Throwable thrown) {
            code = 1;
            outcome = Map.of("error", thrown.getClass().getSimpleName(), "message", String.valueOf(thrown.getMessage()));
        }
        System.out.println(json(outcome));
        // Threads of an HTTP client may still run.
        System.exit(code);
    }

    /** The object that the cases of credentials print. */
    static Map<String, String> credentials(String accessKeyId, String secretAccessKey, String token) {
        return Map.of("AccessKeyId", accessKeyId, "SecretAccessKey", secretAccessKey, "Token", token);
    }

    /** The object that the cases of metadata print; null is an error. */
    static Map<String, String> value(String value) throws NullException {
        if (value == null) {
            throw new NullException();
        }
        return Map.of("Value", value);
    }

    private static String json(Map<String, String> object) {
        StringBuilder text = new StringBuilder("{");
        new TreeMap<>(object).forEach((name, value) -> {
            text.append(text.length() > 1 ? ", " : "").append(quoted(name)).append(": ").append(quoted(value));
        });
        return text.append("}").toString();
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        text.chars().forEach(unit -> {
            if (unit == '"' || unit == '\\') {
                quoted.append('\\').append((char) unit);
            } else if (unit < ' ' || unit > '~') {
                quoted.append(String.format("\\u%04x", unit));
            } else {
                quoted.append((char) unit);
            }
        });
        return quoted.append('"').toString();
    }
}
