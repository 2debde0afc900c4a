//! AWS SDK for Rust: what its default chain, its default region provider and its IMDS client read.
//!
//! `conformance CASE [ARG]` prints one JSON object; a failure is `{"error", "message"}` and exit code 1.

use std::error::Error;

use aws_config::imds::Client;
use aws_config::imds::client::error::ImdsError;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value, json};

type Outcome = Result<Value, Box<dyn Error>>;

/// The SDK's default HTTP client, without TLS, because all services here speak plain HTTP.
fn http_client() -> SharedHttpClient {
    Builder::new().build_http()
}

fn defaults() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest()).http_client(http_client())
}

async fn credentials() -> Outcome {
    // Without a region, the SDK would request that, too.
    let configuration = defaults().region(Region::new("us-east-1")).load().await;
    let chain = configuration
        .credentials_provider()
        .ok_or("no provider of credentials")?;
    let found = chain.provide_credentials().await?;
    let mut printed = json!({
        "AccessKeyId": found.access_key_id(),
        "SecretAccessKey": found.secret_access_key(),
        "Token": found.session_token(),
    });
    if let Some(expiry) = found.expiry() {
        printed["Expiration"] = DateTime::from(expiry).fmt(Format::DateTime)?.into();
    }
    Ok(printed)
}

async fn region() -> Outcome {
    let configuration = defaults().load().await;
    Ok(json!({"Region": configuration.region().ok_or("no region")?.as_ref()}))
}

async fn metadata(path: &str) -> Outcome {
    let configuration = ProviderConfig::default().with_http_client(http_client());
    let found = Client::builder()
        .configure(&configuration)
        .build()
        .get(path)
        .await?;
    Ok(json!({"Value": found.as_ref()}))
}

/// The name of an error's variant, as the SDK's pages have it.
fn name(error: &(dyn Error + 'static)) -> &'static str {
    if let Some(error) = error.downcast_ref::<CredentialsError>() {
        return match error {
            CredentialsError::CredentialsNotLoaded(_) => "CredentialsNotLoaded",
            CredentialsError::ProviderTimedOut(_) => "ProviderTimedOut",
            CredentialsError::InvalidConfiguration(_) => "InvalidConfiguration",
            CredentialsError::ProviderError(_) => "ProviderError",
            _ => "Unhandled",
        };
    }
    match error.downcast_ref::<ImdsError>() {
        Some(ImdsError::FailedToLoadToken(_)) => "FailedToLoadToken",
        Some(ImdsError::ErrorResponse(_)) => "ErrorResponse",
        Some(ImdsError::IoError(_)) => "IoError",
        Some(_) => "Unexpected",
        None => "Error",
    }
}

fn message(error: &dyn Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    causes.join(": ")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["imds-credentials" | "container-credentials"] => credentials().await,
        ["region"] => region().await,
        ["metadata", path] => metadata(path).await,
        _ => Err(format!("unknown case {words:?}").into()),
    };
    match outcome {
        Ok(printed) => println!("{printed}"),
        Err(error) => {
            println!(
                "{}",
                json!({"error": name(error.as_ref()), "message": message(error.as_ref())})
            );
            std::process::exit(1);
        }
    }
}
