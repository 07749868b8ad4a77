// Package broker is what the stand-in has of Wasimoff's broker.
package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// bodyLimit is what an upload may have.
const bodyLimit = 256 << 20

// Settings of a broker.
type Settings struct {
	Storage *Storage
	// Static is the page.
	Static fs.FS
	// Origins are patterns of hosts whose pages may join besides the broker's own.
	Origins []string
	// Metrics tells whether /metrics is served.
	Metrics bool
}

// Broker hands tasks to providers.
type Broker struct {
	Settings
	scheduler         *scheduler
	finished, retried atomic.Int64
	http.ServeMux
}

// New makes a broker.
func New(settings Settings) *Broker {
	broker := &Broker{Settings: settings, scheduler: newScheduler()}
	broker.HandleFunc("GET /healthz", func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprint(answer, "OK") })
	broker.HandleFunc("GET /api/version", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(answer, "a stand-in for Wasimoff's broker")
	})
	broker.HandleFunc("POST /api/storage/upload", broker.upload)
	broker.HandleFunc("GET /api/storage/{ref}", broker.download)
	broker.HandleFunc("POST /api/client/wasimoff.v1.Tasks/RunWasip1", broker.runWasip1)
	broker.HandleFunc("POST /api/client/run/{module}", broker.runModule)
	broker.HandleFunc("GET /api/provider/ws", broker.accept)
	// Not upstream's: what the page shows.
	broker.HandleFunc("GET /api/stand-in/providers", func(answer http.ResponseWriter, _ *http.Request) {
		providers, waiting := broker.scheduler.states()
		writeJSON(answer, http.StatusOK, map[string]any{
			"providers": providers, "waiting": waiting, "finished": broker.finished.Load(), "retried": broker.retried.Load(),
		})
	})
	if settings.Metrics {
		broker.HandleFunc("GET /metrics", broker.metrics)
	}
	files := http.FileServerFS(settings.Static)
	broker.HandleFunc("GET /", func(answer http.ResponseWriter, request *http.Request) {
		// With both, workers may share memory, which is how a job sleeps without using a core.
		answer.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		answer.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		files.ServeHTTP(answer, request)
	})
	return broker
}

func writeJSON(answer http.ResponseWriter, status int, value any) {
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	_ = json.NewEncoder(answer).Encode(value)
}

func (broker *Broker) upload(answer http.ResponseWriter, request *http.Request) {
	content, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, bodyLimit))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	ref, err := broker.Storage.put(request.URL.Query().Get("name"), content)
	switch {
	case errors.Is(err, errUnsupported):
		http.Error(answer, err.Error(), http.StatusUnsupportedMediaType)
	case err != nil:
		http.Error(answer, err.Error(), http.StatusInternalServerError)
	default:
		fmt.Fprint(answer, ref)
	}
}

func (broker *Broker) download(answer http.ResponseWriter, request *http.Request) {
	content, err := broker.Storage.get(request.PathValue("ref"))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusNotFound)
		return
	}
	media, err := mediaOf(content)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return
	}
	answer.Header().Set("Content-Type", media)
	_, _ = answer.Write(content)
}

// attemptsHeader is not upstream's: how many providers a task was given to. More than one: it may have run twice.
const attemptsHeader = "X-Stand-In-Attempts"

// runWasip1 is the remote procedure call of clients, in the JSON of the Connect protocol.
func (broker *Broker) runWasip1(answer http.ResponseWriter, request *http.Request) {
	var task taskRequest
	if err := json.NewDecoder(http.MaxBytesReader(answer, request.Body, bodyLimit)).Decode(&task); err != nil {
		writeFailure(answer, &failure{"invalid_argument", err.Error()})
		return
	}
	if milliseconds, err := strconv.Atoi(request.Header.Get("Connect-Timeout-Ms")); err == nil && task.QoS.Deadline == nil {
		deadline := time.Now().Add(time.Duration(milliseconds) * time.Millisecond)
		task.QoS.Deadline = &deadline
	}
	task.Info = metadata{Requester: request.RemoteAddr}
	response, given, err := broker.run(request.Context(), &task)
	answer.Header().Set(attemptsHeader, strconv.Itoa(given))
	if err != nil {
		writeFailure(answer, err)
		return
	}
	writeJSON(answer, http.StatusOK, response)
}

func writeFailure(answer http.ResponseWriter, err error) {
	told := &failure{"internal", err.Error()}
	errors.As(err, &told)
	writeJSON(answer, http.StatusInternalServerError, map[string]string{"code": told.code, "message": told.message})
}

// runModule runs a stored module with the body as its input, and answers with what it wrote.
func (broker *Broker) runModule(answer http.ResponseWriter, request *http.Request) {
	stdin, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, bodyLimit))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	module := request.PathValue("module")
	task := taskRequest{Params: &parameters{
		Binary: &file{Ref: module}, Stdin: stdin, Args: append([]string{module}, strings.Fields(request.Header.Get("X-Args"))...),
	}}
	for name, values := range request.Header {
		if key, ok := strings.CutPrefix(name, "X-Env-"); ok {
			task.Params.Envs = append(task.Params.Envs, strings.ToUpper(strings.ReplaceAll(key, "-", "_"))+"="+values[0])
		}
	}
	response, given, err := broker.run(request.Context(), &task)
	answer.Header().Set(attemptsHeader, strconv.Itoa(given))
	switch {
	case err != nil:
		http.Error(answer, err.Error(), http.StatusInternalServerError)
	case response.OK == nil:
		answer.Header().Set("X-Wasimoff-Result", "error")
		http.Error(answer, response.Error, http.StatusInternalServerError)
	default:
		answer.Header().Set("X-Wasimoff-Provider", response.Info.Provider)
		answer.Header().Set("X-Wasimoff-Result", "ok")
		answer.Header().Set("X-Wasimoff-Status", strconv.Itoa(int(response.OK.Status)))
		_, _ = answer.Write(append(response.OK.Stderr, response.OK.Stdout...))
	}
}

func (broker *Broker) metrics(answer http.ResponseWriter, _ *http.Request) {
	providers, waiting := broker.scheduler.states()
	workers, busy := 0, 0
	for _, one := range providers {
		workers += one.Workers
		busy += one.Busy
	}
	for _, one := range []struct {
		name  string
		value int64
	}{
		{"wasimoff_connected_providers", int64(len(providers))},
		{"wasimoff_available_workers", int64(workers)},
		{"wasimoff_stand_in_busy_workers", int64(busy)},
		{"wasimoff_stand_in_waiting_tasks", int64(waiting)},
		{"wasimoff_stand_in_finished_tasks_total", broker.finished.Load()},
		{"wasimoff_stand_in_retried_tasks_total", broker.retried.Load()},
	} {
		fmt.Fprintf(answer, "%s %d\n", one.name, one.value)
	}
}
