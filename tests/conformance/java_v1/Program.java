import com.amazonaws.auth.AWSCredentialsProvider;
import com.amazonaws.auth.AWSSessionCredentials;
import com.amazonaws.auth.DefaultAWSCredentialsProviderChain;
import com.amazonaws.regions.DefaultAwsRegionProviderChain;
import com.amazonaws.util.EC2MetadataUtils;
import java.util.Map;

/** The AWS SDK for Java 1: its default chains, and the client of the metadata service. */
final class Program {

    private Program() {}

    public static void main(String[] words) {
        Conformance.run(words, Map.of(
                "imds-credentials", argument -> credentials(),
                "region", argument -> Map.of("Region", new DefaultAwsRegionProviderChain().getRegion()),
                "metadata", path -> Conformance.value(EC2MetadataUtils.getData(path)),
                "container-credentials", argument -> credentials()));
    }

    private static Map<String, String> credentials() {
        AWSCredentialsProvider chain = new DefaultAWSCredentialsProviderChain();
        AWSSessionCredentials found = (AWSSessionCredentials) chain.getCredentials();
        return Conformance.credentials(found.getAWSAccessKeyId(), found.getAWSSecretKey(), found.getSessionToken());
    }
}
