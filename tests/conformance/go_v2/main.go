// The AWS SDK for Go v2: `chain` is config.LoadDefaultConfig, `client` is imds.Client with ec2rolecreds.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

func main() {
	answer, err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		answer = map[string]string{"error": innermost(err), "message": err.Error()}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
	if err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, way, kind string, arguments []string) (map[string]string, error) {
	if way+" "+kind == "chain region" {
		cfg, err := config.LoadDefaultConfig(ctx, config.WithEC2IMDSRegion())
		return map[string]string{"Region": cfg.Region}, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	// imds.New would ignore the variables that select an endpoint.
	client := imds.NewFromConfig(cfg)
	switch way + " " + kind {
	case "chain imds-credentials", "chain container-credentials":
		return credentials(ctx, cfg.Credentials)
	case "client imds-credentials":
		return credentials(ctx, ec2rolecreds.New(func(options *ec2rolecreds.Options) { options.Client = client }))
	case "client region":
		found, err := client.GetRegion(ctx, nil)
		if err != nil {
			return nil, err
		}
		return map[string]string{"Region": found.Region}, nil
	case "client metadata":
		path := strings.TrimPrefix(arguments[0], "/latest/meta-data/")
		found, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(found.Content)
		return map[string]string{"Value": string(body)}, err
	}
	return nil, fmt.Errorf("unknown case %s %s", way, kind)
}

func credentials(ctx context.Context, provider aws.CredentialsProvider) (map[string]string, error) {
	found, err := provider.Retrieve(ctx)
	return map[string]string{
		"AccessKeyId":     found.AccessKeyID,
		"SecretAccessKey": found.SecretAccessKey,
		"Token":           found.SessionToken,
	}, err
}

// The type of the innermost error that has a type of its own.
func innermost(err error) string {
	name := fmt.Sprintf("%T", err)
	for err = errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		if inner := fmt.Sprintf("%T", err); inner != "*errors.errorString" && inner != "*fmt.wrapError" {
			name = inner
		}
	}
	return strings.TrimPrefix(name, "*")
}
