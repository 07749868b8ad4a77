package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// subprotocol is the one of upstream's two that the stand-in speaks.
	subprotocol = "wasimoff_provider_v1_json"
	// messageLimit is what a result may have.
	messageLimit = 256 << 20
	// pingEvery and pingWithin find a provider that is cut off or frozen; upstream pings without a bound.
	pingEvery, pingWithin = 5 * time.Second, 15 * time.Second
)

// errGone ends the tasks of a provider that has left.
var errGone = errors.New("the provider has gone")

// provider is a browser that runs tasks. workers and busy are the scheduler's.
type provider struct {
	id, agent     string
	since         time.Time
	socket        *websocket.Conn
	workers, busy int
	done          atomic.Int64
	gone          context.Context

	mutex    sync.Mutex
	requests uint64
	events   uint64
	waiting  map[uint64]chan envelope
}

// accept serves a provider's socket until it ends.
func (broker *Broker) accept(answer http.ResponseWriter, request *http.Request) {
	id, agent := request.URL.Query().Get("id"), request.UserAgent()
	if agent == "" {
		http.Error(answer, "a provider has a User-Agent", http.StatusBadRequest)
		return
	}
	socket, err := websocket.Accept(answer, request, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol}, OriginPatterns: broker.Origins,
	})
	if err != nil {
		fmt.Println("a provider was refused:", err)
		return
	}
	defer socket.CloseNow()
	if socket.Subprotocol() != subprotocol {
		socket.Close(websocket.StatusPolicyViolation, "the stand-in speaks "+subprotocol+" alone")
		return
	}
	socket.SetReadLimit(messageLimit)
	gone, leave := context.WithCancel(context.Background())
	defer leave()
	one := &provider{id: id, agent: agent, since: time.Now(), socket: socket, gone: gone, waiting: map[uint64]chan envelope{}}
	fmt.Printf("provider %s has joined\n", id)
	defer func() {
		broker.scheduler.remove(one)
		broker.announce()
		fmt.Printf("provider %s has gone\n", id)
	}()
	go one.ping()
	for {
		_, text, err := socket.Read(gone)
		if err != nil {
			return
		}
		var message envelope
		if err := json.Unmarshal(text, &message); err != nil {
			socket.Close(websocket.StatusInvalidFramePayloadData, "no envelope")
			return
		}
		broker.receive(one, message)
	}
}

func (broker *Broker) receive(one *provider, message envelope) {
	if message.Type == "Response" {
		one.mutex.Lock()
		waiting := one.waiting[message.Sequence]
		delete(one.waiting, message.Sequence)
		one.mutex.Unlock()
		if waiting != nil {
			waiting <- message
		}
		return
	}
	var resources struct {
		Type        string `json:"@type"`
		Concurrency int    `json:"concurrency"`
	}
	if json.Unmarshal(message.Payload, &resources) == nil && resources.Type == typeResources {
		broker.scheduler.resize(one, resources.Concurrency)
		broker.announce()
	}
}

// announce tells every provider how many there are.
func (broker *Broker) announce() {
	broker.scheduler.mutex.Lock()
	defer broker.scheduler.mutex.Unlock()
	for one := range broker.scheduler.providers {
		go one.tell(map[string]any{"@type": typeCluster, "providers": len(broker.scheduler.providers)})
	}
}

// ping drops a provider that does not answer.
func (one *provider) ping() {
	for {
		select {
		case <-one.gone.Done():
			return
		case <-time.After(pingEvery):
		}
		ctx, cancel := context.WithTimeout(one.gone, pingWithin)
		err := one.socket.Ping(ctx)
		cancel()
		if err != nil {
			one.socket.CloseNow()
			return
		}
	}
}

// tell sends an event.
func (one *provider) tell(payload any) {
	one.mutex.Lock()
	one.events++
	sequence := one.events
	one.mutex.Unlock()
	// A provider that cannot be told is one that goes.
	_ = one.send("Event", sequence, payload)
}

func (one *provider) send(kind string, sequence uint64, payload any) error {
	inner, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	text, err := json.Marshal(envelope{Sequence: sequence, Type: kind, Payload: inner})
	if err != nil {
		return err
	}
	return one.socket.Write(one.gone, websocket.MessageText, text)
}

// run has the provider run a task. When the context ends, the provider is told to end the task too.
func (one *provider) run(ctx context.Context, task *taskRequest) (*taskResponse, error) {
	answer := make(chan envelope, 1)
	one.mutex.Lock()
	one.requests++
	sequence := one.requests
	one.waiting[sequence] = answer
	one.mutex.Unlock()
	if err := one.send("Request", sequence, task); err != nil {
		return nil, errGone
	}
	select {
	case message := <-answer:
		if message.Error != "" {
			return nil, errors.New(message.Error)
		}
		var response taskResponse
		if err := json.Unmarshal(message.Payload, &response); err != nil {
			return nil, err
		}
		one.done.Add(1)
		return &response, nil
	case <-one.gone.Done():
		return nil, errGone
	case <-ctx.Done():
		one.tell(map[string]any{"@type": typeCancel, "id": task.Info.ID, "reason": ctx.Err().Error()})
		return nil, ctx.Err()
	}
}
