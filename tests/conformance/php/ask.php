<?php

// AsyncAws, the AWS client of Symfony: what its default chain of credential providers reads.
//
// `php ask.php CASE` prints one JSON object; a failure is {"error", "message"} and exit code 1.

declare(strict_types=1);

use AsyncAws\Core\Configuration;
use AsyncAws\Core\Credentials\ChainProvider;

// Debian's autoloaders contain absolute paths; the packages are unpacked elsewhere.
spl_autoload_register(static function (string $class): void {
    $file = stream_resolve_include_path(str_replace('\\', '/', $class) . '.php');
    if (false !== $file) {
        require $file;
    }
});
require_once 'Symfony/Contracts/Deprecation/function.php';

function credentials(): array
{
    $found = ChainProvider::createDefaultChain()->getCredentials(Configuration::create([]));
    if (null === $found) {
        return ['error' => 'no credentials', 'message' => 'the default chain returned null'];
    }

    return [
        'AccessKeyId' => $found->getAccessKeyId(),
        'SecretAccessKey' => $found->getSecretKey(),
        'Token' => $found->getSessionToken(),
    ];
}

$case = $argv[1] ?? '';
try {
    $found = match ($case) {
        'imds-credentials', 'container-credentials' => credentials(),
    };
} catch (Throwable $error) {
    $found = ['error' => $error::class, 'message' => $error->getMessage()];
}
echo json_encode($found, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES), "\n";
exit(isset($found['error']) ? 1 : 0);
