// Package web serves and asks by HTTP.
package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Disclaimer stands wherever a person may look.
const Disclaimer = "This is the lab's conformance workload, not Wire."

// Serve answers at some addresses until a signal comes.
func Serve(ctx context.Context, handler http.Handler, addresses ...string) error {
	failed := make(chan error, len(addresses))
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() { failed <- http.Serve(listener, handler) }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// Do sends a request and reads the answer. One with a status from 300 on comes with an error.
func Do(client *http.Client, request *http.Request) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s",
			request.Method, request.URL.Path, response.Status, strings.TrimSpace(string(answer)))
	}
	return answer, err
}

// JSON sends a body and reads the answer into result; both may be nil.
func JSON(
	ctx context.Context, client *http.Client, method, address string, header http.Header, body, result any,
) error {
	var sent []byte
	var err error
	if body != nil {
		sent, err = json.Marshal(body)
	}
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(sent))
	if err != nil {
		return err
	}
	request.Header = header
	answer, err := Do(client, request)
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(answer, result)
}
