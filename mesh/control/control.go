// Package control lets root on the gateway ask and tell the daemon, over a Unix socket.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"wiab-staging/mesh/exchange"
)

// Serve answers on the socket until the context ends.
func Serve(ctx context.Context, socket string, node *exchange.Node, status func() (*exchange.Status, error)) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return err
	}
	// What a killed process has left there.
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	handler := http.NewServeMux()
	handler.HandleFunc("GET /status", func(writer http.ResponseWriter, _ *http.Request) {
		status, err := status()
		if err != nil {
			http.Error(writer, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(writer).Encode(status)
	})
	handler.HandleFunc("GET /metrics", func(writer http.ResponseWriter, _ *http.Request) {
		status, err := status()
		if err != nil {
			http.Error(writer, err.Error(), http.StatusServiceUnavailable)
			return
		}
		status.WriteMetrics(writer)
	})
	handler.HandleFunc("POST /rotate/preshared", func(http.ResponseWriter, *http.Request) { node.RotatePreshared() })
	handler.HandleFunc("POST /rotate/private", func(writer http.ResponseWriter, request *http.Request) {
		said, err := node.RotatePrivate(request.Context())
		if err != nil {
			http.Error(writer, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(writer, said)
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Call asks a daemon on its socket and writes what it answers.
func Call(ctx context.Context, socket, method, path string, output io.Writer) error {
	client := &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://mesh"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		return fmt.Errorf("%s", text)
	}
	_, err = io.Copy(output, response.Body)
	return err
}
