// Package server stands in for Wire's services: it gets the settings and secrets of one of them, uses every dependency
// that they name, and is ready only when all of that works.
package server

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"wiab-staging/stand-in/program/repeat"
	"wiab-staging/stand-in/program/web"
)

// result of the last time that a dependency was used.
type result struct {
	Name         string    `json:"name"`
	OK           bool      `json:"ok"`
	Error        string    `json:"error,omitempty"`
	Milliseconds int64     `json:"milliseconds"`
	At           time.Time `json:"at"`
}

// status is what `/i/status` of a service says.
type status struct {
	Conformance string   `json:"conformance"`
	Service     string   `json:"service"`
	Pod         string   `json:"pod"`
	Ready       bool     `json:"ready"`
	Checks      []result `json:"checks"`
}

const (
	// A dozen services that use seven dependencies each keep emulated machines busy if they do it more often.
	checkEvery = 30 * time.Second
	retryAfter = 5 * time.Second
)

// server runs the checks of one service and tells about them.
type server struct {
	service *service
	mutex   sync.Mutex
	results map[string]result
}

// Run is the mode `serve`: one of Wire's services in one pod.
func Run(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	name := flags.String("service", "", "one of Wire's services")
	config := flags.String("config", "/etc/wire/conf/config.json", "its `config` in the chart's values")
	given := flags.String("secrets", "/etc/wire/secrets/secrets.json", "its `secrets` in the chart's values")
	listen := flags.String("listen", ":8080", "addresses to listen at, with commas between them")
	_ = flags.Parse(arguments)
	if checks[*name] == nil {
		return fmt.Errorf("--service %q: there are %s", *name, strings.Join(slices.Sorted(maps.Keys(checks)), ", "))
	}
	hostname, _ := os.Hostname()
	s := &server{service: &service{name: *name, pod: hostname}, results: map[string]result{}}
	if err := readJSON(*config, &s.service.settings); err != nil {
		return err
	}
	if err := readJSON(*given, &s.service.secrets); err != nil {
		return err
	}
	for name := range checks[*name] {
		s.results[name] = result{Name: name, Error: "not tried yet"}
		go repeat.Every(ctx, name, checkEvery, retryAfter, func(ctx context.Context) error { return s.use(ctx, name) })
	}
	return web.Serve(ctx, s.handler(), strings.Split(*listen, ",")...)
}

func (s *server) handler() http.Handler {
	handler := http.NewServeMux()
	handler.HandleFunc("GET /i/status", s.status)
	handler.HandleFunc("GET /status", s.status)
	handler.HandleFunc("GET /i/live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	switch s.service.name {
	case "brig":
		handler.HandleFunc("GET /i/sign", s.sign)
	case "webapp":
		handler.HandleFunc("GET /{$}", showPage)
		handler.HandleFunc("GET /conformance.json", showSummary)
	case "nginz":
	default:
		handler.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "%s\nIn its place, %s would be here.\n", web.Disclaimer, s.service.name)
		})
	}
	return handler
}

// use a dependency once, and keep what comes of it.
func (s *server) use(ctx context.Context, name string) error {
	begin := time.Now()
	err := checks[s.service.name][name](ctx, s.service)
	now := result{Name: name, OK: err == nil, Milliseconds: time.Since(begin).Milliseconds(), At: begin.UTC()}
	if err != nil {
		now.Error = err.Error()
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.results[name] = now
	return err
}

func (s *server) now() status {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := slices.SortedFunc(maps.Values(s.results), func(a, b result) int { return cmp.Compare(a.Name, b.Name) })
	ready := !slices.ContainsFunc(all, func(one result) bool { return !one.OK })
	return status{web.Disclaimer, s.service.name, s.service.pod, ready, all}
}

func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	now := s.now()
	answer(w, now.Ready, now)
}

func answer(w http.ResponseWriter, ready bool, body any) {
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body)
}

// sign is brig's, so that nginz can see that it verifies with the right key.
func (s *server) sign(w http.ResponseWriter, request *http.Request) {
	signature, err := signZauth(s.service.secrets, request.URL.Query().Get("text"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(signature)
}
