import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletionException;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.InstanceProfileCredentialsProvider;
import software.amazon.awssdk.imds.Ec2MetadataAsyncClient;
import software.amazon.awssdk.imds.Ec2MetadataClient;
import software.amazon.awssdk.regions.providers.AwsRegionProvider;
import software.amazon.awssdk.regions.providers.DefaultAwsRegionProviderChain;
import software.amazon.awssdk.regions.providers.InstanceProfileRegionProvider;

/** The AWS SDK for Java 2: {@code chain CASE} for its default chains, {@code client CASE} for its single providers. */
final class Program {

    private Program() {}

    public static void main(String[] words) {
        Map<String, Conformance.Case> chains = Map.of(
                "imds-credentials", argument -> credentials(DefaultCredentialsProvider.builder().build()),
                "region", argument -> region(new DefaultAwsRegionProviderChain()),
                "container-credentials", argument -> credentials(DefaultCredentialsProvider.builder().build()));
        Map<String, Conformance.Case> clients = Map.of(
                "imds-credentials", argument -> credentials(InstanceProfileCredentialsProvider.create()),
                "region", argument -> region(new InstanceProfileRegionProvider()),
                "metadata", Program::metadata,
                "metadata-async", Program::metadataAsync,
                "container-credentials", argument -> credentials(ContainerCredentialsProvider.create()));
        String[] rest = Arrays.copyOfRange(words, 1, words.length);
        Conformance.run(rest, words[0].equals("chain") ? chains : clients);
    }

    private static Map<String, String> credentials(AwsCredentialsProvider provider) {
        AwsSessionCredentials found = (AwsSessionCredentials) provider.resolveCredentials();
        return Conformance.credentials(found.accessKeyId(), found.secretAccessKey(), found.sessionToken());
    }

    private static Map<String, String> region(AwsRegionProvider provider) {
        return Map.of("Region", provider.getRegion().id());
    }

    private static Map<String, String> metadata(String path) {
        try (Ec2MetadataClient client = Ec2MetadataClient.create()) {
            return Map.of("Value", client.get(path).asString());
        }
    }

    private static Map<String, String> metadataAsync(String path) throws Throwable {
        try (Ec2MetadataAsyncClient client = Ec2MetadataAsyncClient.create()) {
            return Map.of("Value", client.get(path).join().asString());
        } catch (CompletionException failed) {
            throw failed.getCause();
        }
    }
}
