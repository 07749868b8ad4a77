package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"html/template"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
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

// disclaimer stands wherever a person may look.
const disclaimer = "This is the lab's conformance workload, not Wire."

const (
	// A dozen services that use seven dependencies each keep emulated machines busy if they do it more often.
	checkEvery = 30 * time.Second
	retryAfter = 5 * time.Second
	// checkLimit is generous because emulated machines are slow.
	checkLimit = 30 * time.Second
)

// peerNames are host:port, each perhaps of several pods.
var peerNames = []string{"conformance:8080"}

//go:embed page.html
var pageText string
var page = template.Must(template.New("page").Parse(pageText))

// server runs the checks of one service and tells about them.
type server struct {
	service *service
	mutex   sync.Mutex
	results map[string]result
}

// serve is one of Wire's services in one pod.
func serve(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	name := flags.String("service", "", "one of Wire's services")
	config := flags.String("config", "/etc/wire/conf/config.json", "its `config` in the chart's values")
	given := flags.String("secrets", "/etc/wire/secrets/secrets.json", "its `secrets` in the chart's values")
	listen := flags.String("listen", ":8080", "addresses to listen at, with commas between them")
	others := flags.String("peers", "", "host:port of the other services, with commas between them")
	_ = flags.Parse(arguments)
	if checks[*name] == nil {
		return fmt.Errorf("--service %q: there are %s", *name, strings.Join(slices.Sorted(maps.Keys(checks)), ", "))
	}
	if *others != "" {
		peerNames = strings.Split(*others, ",")
	}
	hostname, _ := os.Hostname()
	s := &server{
		service: &service{name: *name, pod: cmp.Or(os.Getenv("POD_NAME"), hostname), sessions: map[string]*gocql.Session{}},
		results: map[string]result{},
	}
	if err := readJSON(*config, &s.service.settings); err != nil {
		return err
	}
	if err := readJSON(*given, &s.service.secrets); err != nil {
		return err
	}
	for name, check := range checks[*name] {
		s.results[name] = result{Name: name, Error: "not tried yet"}
		go s.watch(ctx, name, check)
	}
	handler := http.NewServeMux()
	handler.HandleFunc("GET /i/status", s.status)
	handler.HandleFunc("GET /status", s.status)
	handler.HandleFunc("GET /i/live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	switch *name {
	case "brig":
		handler.HandleFunc("GET /i/sign", s.sign)
	case "webapp":
		handler.HandleFunc("GET /{$}", s.page)
		handler.HandleFunc("GET /conformance.json", s.all)
	case "nginz":
	default:
		handler.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "%s\nIn its place, %s would be here.\n", disclaimer, *name)
		})
	}
	return listenHTTP(ctx, *listen, handler)
}

// listenHTTP serves at some addresses until a signal comes.
func listenHTTP(ctx context.Context, addresses string, handler http.Handler) error {
	failed := make(chan error, 1)
	for _, address := range strings.Split(addresses, ",") {
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

// watch uses a dependency time and again, and writes to the log what changes.
func (s *server) watch(ctx context.Context, name string, check check) {
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, checkLimit)
		begin := time.Now()
		err := check(limited, s.service)
		cancel()
		now := result{Name: name, OK: err == nil, Milliseconds: time.Since(begin).Milliseconds(), At: begin.UTC()}
		if err != nil {
			now.Error = err.Error()
		}
		s.mutex.Lock()
		before := s.results[name]
		s.results[name] = now
		s.mutex.Unlock()
		if before.OK != now.OK || before.Error != now.Error {
			fmt.Printf("%s %s: %s\n", now.At.Format(time.RFC3339), name, cmp.Or(now.Error, "ok"))
		}
		wait := checkEvery
		if err != nil {
			wait = retryAfter
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (s *server) now() status {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := slices.SortedFunc(maps.Values(s.results), func(a, b result) int { return cmp.Compare(a.Name, b.Name) })
	ready := !slices.ContainsFunc(all, func(one result) bool { return !one.OK })
	return status{disclaimer, s.service.name, s.service.pod, ready, all}
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

// peers are the addresses of all pods, ready or not.
func peers(ctx context.Context) []string {
	var found []string
	for _, name := range peerNames {
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			continue
		}
		addresses, _ := net.DefaultResolver.LookupHost(ctx, host)
		for _, address := range addresses {
			found = append(found, net.JoinHostPort(address, port))
		}
	}
	return found
}

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
	all := summary{Conformance: disclaimer, Ready: true, At: time.Now().UTC()}
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

func (s *server) all(w http.ResponseWriter, request *http.Request) {
	now := collect(request.Context())
	answer(w, now.Ready, now)
}

func (s *server) page(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, collect(request.Context()))
}
