package main

import (
	"context"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// RegisterErrorHook is passed on to the engine as the other calls of a program are.
func (p *monitorProxy) RegisterErrorHook(
	ctx context.Context, request *pulumirpc.RegisterErrorHookRequest,
) (*emptypb.Empty, error) {
	return p.target.RegisterErrorHook(ctx, request)
}

// Template is for `pulumi new`.
func (*nodeLanguageHost) Template(context.Context, *pulumirpc.TemplateRequest) (*pulumirpc.TemplateResponse, error) {
	return nil, status.Error(codes.Unimplemented, "this language host has no templates")
}
