import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.ConfigurableApplicationContext;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.regions.providers.AwsRegionProvider;

/** A Spring Boot application that reads the beans and properties of Spring Cloud AWS. */
@EnableAutoConfiguration
public class Program {

    private static final String METADATA = "/latest/meta-data/";

    public static void main(String[] words) {
        Conformance.run(words, Map.of(
                "imds-credentials", argument -> credentials(),
                "region", argument -> region(),
                "metadata", Program::metadata,
                "container-credentials", argument -> credentials()));
    }

    private static ConfigurableApplicationContext started(boolean withMetadata) {
        SpringApplication application = new SpringApplication(Program.class);
        application.setDefaultProperties(Map.of(
                "logging.level.root", "off",
                "spring.cloud.aws.imds.enabled", withMetadata,
                "spring.main.banner-mode", "off"));
        return application.run();
    }

    private static Map<String, String> region() {
        return Map.of("Region", started(false).getBean(AwsRegionProvider.class).getRegion().id());
    }

    private static Map<String, String> credentials() {
        AwsCredentialsProvider provider = started(false).getBean(AwsCredentialsProvider.class);
        AwsSessionCredentials found = (AwsSessionCredentials) provider.resolveCredentials();
        return Conformance.credentials(found.accessKeyId(), found.secretAccessKey(), found.sessionToken());
    }

    private static Map<String, String> metadata(String path) {
        String property = path.substring(METADATA.length());
        return Map.of("Value", started(true).getEnvironment().getRequiredProperty(property));
    }
}
