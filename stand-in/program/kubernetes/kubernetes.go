// Package kubernetes asks the API server as the pod's account.
package kubernetes

import (
	"context"
	"net"
	"net/http"
	"os"

	"wiab-staging/stand-in/program/stores"
	"wiab-staging/stand-in/program/web"
)

// account is where Kubernetes puts what a pod needs to ask it something.
const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// Ask sends a merge patch, or nothing, and reads the answer into result, which may be nil.
func Ask(ctx context.Context, method, path string, patch, result any) error {
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	// Read each time: tokens are renewed.
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	security, err := stores.Trusting(string(authority), false)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: security, DisableKeepAlives: true}}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	header := http.Header{
		"Authorization": {"Bearer " + string(token)},
		"Content-Type":  {"application/merge-patch+json"},
	}
	return web.JSON(ctx, client, method, "https://"+host+path, header, patch, result)
}
