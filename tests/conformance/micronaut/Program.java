import io.micronaut.context.ApplicationContext;
import io.micronaut.discovery.cloud.ComputeInstanceMetadata;
import io.micronaut.discovery.cloud.ComputeInstanceMetadataResolver;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.regions.providers.AwsRegionProvider;

/** A Micronaut application on EC2: the instance that Micronaut discovers, and the beans of Micronaut AWS. */
final class Program {

    private Program() {}

    public static void main(String[] words) {
        Conformance.run(words, Map.of(
                "imds-credentials", argument -> credentials(),
                "region", argument -> Map.of("Region", started().getBean(AwsRegionProvider.class).getRegion().id()),
                "metadata", Program::metadata,
                "container-credentials", argument -> credentials()));
    }

    private static ApplicationContext started() {
        return ApplicationContext.builder("ec2").deduceEnvironment(false).start();
    }

    private static Map<String, String> credentials() {
        AwsCredentialsProvider provider = started().getBean(AwsCredentialsProvider.class);
        AwsSessionCredentials found = (AwsSessionCredentials) provider.resolveCredentials();
        return Conformance.credentials(found.accessKeyId(), found.secretAccessKey(), found.sessionToken());
    }

    private static Map<String, String> metadata(String path) throws Throwable {
        ApplicationContext context = started();
        ComputeInstanceMetadata found = context.getBean(ComputeInstanceMetadataResolver.class)
                .resolve(context.getEnvironment())
                .orElseThrow();
        String value = switch (path) {
            case "/latest/meta-data/instance-id" -> found.getInstanceId();
            case "/latest/meta-data/placement/availability-zone" -> found.getAvailabilityZone();
            default -> throw new IllegalArgumentException(path + " has no property");
        };
        return Conformance.value(value);
    }
}
