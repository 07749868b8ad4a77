// Command pulumi-resource-random is the Pulumi plugin "random", made from the Terraform provider of that
// name and Pulumi's Terraform bridge. Pulumi publishes the finished plugin on its download site alone; this
// is for where that cannot be reached. Types and tokens are those of the published plugin, so that states
// and the SDK fit both.
package main

import (
	"context"
	"io"
	"log"
	"strings"

	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// version is set when linking.
var version = "0.0.0"

func main() {
	ctx := context.Background()
	info := tfbridge.ProviderInfo{
		Name:         "random",
		Version:      version,
		P:            pfbridge.ShimProvider(provider.New()),
		MetadataInfo: tfbridge.NewProviderMetadata([]byte("{}")),
		Resources: map[string]*tfbridge.ResourceInfo{
			"random_bytes":    {Tok: token("RandomBytes"), ComputeID: withoutID},
			"random_id":       {Tok: token("RandomId")},
			"random_integer":  {Tok: token("RandomInteger")},
			"random_password": {Tok: token("RandomPassword")},
			"random_pet":      {Tok: token("RandomPet")},
			"random_shuffle":  {Tok: token("RandomShuffle")},
			"random_string":   {Tok: token("RandomString")},
			"random_uuid":     {Tok: token("RandomUuid")},
			"random_uuid4":    {Tok: token("RandomUuid4")},
			"random_uuid7":    {Tok: token("RandomUuid7")},
		},
	}
	// The generator's remarks concern documentation that this plugin does without.
	quiet := diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never})
	generated, err := tfgen.GenerateSchema(ctx, tfgen.GenerateSchemaOptions{
		ProviderInfo: info, DiagnosticsSink: quiet, XInMemoryDocs: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	pfbridge.Main(ctx, "random", info, generated.ProviderMetadata)
}

// token names a type as the published plugin does: random:index/randomPassword:RandomPassword.
func token(name string) tokens.Type {
	return tokens.Type("random:index/" + strings.ToLower(name[:1]) + name[1:] + ":" + name)
}

// withoutID serves a resource that Terraform gives no ID, as the one of passwords: an ID made of what it
// holds would stand in the state in plain text.
func withoutID(context.Context, resource.PropertyMap) (resource.ID, error) { return "none", nil }
