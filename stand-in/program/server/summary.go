package server

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"wiab-staging/stand-in/program/web"
)

// peerName leads to all pods, ready or not.
const peerName, peerPort = "conformance", "8080"

//go:embed page.html
var pageText string
var page = template.Must(template.New("page").Parse(pageText))

// summary is what the page shows.
type summary struct {
	Conformance string    `json:"conformance"`
	Ready       bool      `json:"ready"`
	Services    []row     `json:"services"`
	At          time.Time `json:"at"`
}

// row is one service with all its pods.
type row struct {
	Service string `json:"service"`
	Ready   bool   `json:"ready"`
	// Error where no pod answers.
	Error string   `json:"error,omitempty"`
	Pods  []status `json:"pods"`
}

// peers are the addresses of all pods.
func peers(ctx context.Context) []string {
	addresses, _ := net.DefaultResolver.LookupHost(ctx, peerName)
	for i, address := range addresses {
		addresses[i] = net.JoinHostPort(address, peerPort)
	}
	return addresses
}

// get reads an answer.
func get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return nil, err
	}
	body, err := web.Do(http.DefaultClient, request)
	// A service that is not ready says what is wrong.
	if json.Valid(body) {
		return body, nil
	}
	return body, err
}

// collect asks every pod how it is.
func collect(ctx context.Context) summary {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var mutex sync.Mutex
	var group sync.WaitGroup
	pods := map[string][]status{}
	for _, peer := range peers(ctx) {
		group.Go(func() {
			var one status
			body, err := get(ctx, "http://"+peer+"/i/status")
			if err != nil || json.Unmarshal(body, &one) != nil {
				return
			}
			mutex.Lock()
			defer mutex.Unlock()
			pods[one.Service] = append(pods[one.Service], one)
		})
	}
	group.Wait()
	all := summary{Conformance: web.Disclaimer, Ready: true, At: time.Now().UTC()}
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		// It runs in the node's network, where these pods do not find it.
		if name == "sftd" {
			continue
		}
		slices.SortFunc(pods[name], func(a, b status) int { return cmp.Compare(a.Pod, b.Pod) })
		one := row{Service: name, Pods: pods[name], Ready: len(pods[name]) > 0}
		if !one.Ready {
			one.Error = "no pod answers"
		}
		one.Ready = one.Ready && !slices.ContainsFunc(one.Pods, func(pod status) bool { return !pod.Ready })
		all.Ready = all.Ready && one.Ready
		all.Services = append(all.Services, one)
	}
	return all
}

func showSummary(w http.ResponseWriter, request *http.Request) {
	now := collect(request.Context())
	answer(w, now.Ready, now)
}

func showPage(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, collect(request.Context()))
}
