package provider

import (
	"context"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	providerresource "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider/resource"
)

// resourceProviders has no component resources. The real ones (yaml/v2, helm.sh/v4 and kustomize/v2) link the
// provider's own Go SDK, a type for every field of every Kubernetes resource, which takes longer to compile than all
// the rest.
var resourceProviders map[string]providerresource.ResourceProviderFactory

// Construct refuses every component resource.
func (*kubeProvider) Construct(
	_ context.Context, request *pulumirpc.ConstructRequest,
) (*pulumirpc.ConstructResponse, error) {
	return nil, status.Errorf(codes.Unimplemented,
		"%s: this build of the Kubernetes provider has no component resources", request.GetType())
}
