// Package devtools speaks the Chrome DevTools Protocol over the pipe that Chromium opens for it: no port that others could use.
package devtools

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Event is something that has happened in a session.
type Event struct {
	Session string
	Method  string
	Params  json.RawMessage
}

type message struct {
	ID        int64           `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// received is a message with its parameters as they came.
type received struct {
	message
	Params json.RawMessage `json:"params"`
}

// errClosed ends every call once the browser is gone.
var errClosed = errors.New("the browser is gone")

// Connection is one to a browser.
type Connection struct {
	to      io.Writer
	mutex   sync.Mutex
	last    int64
	waiting map[int64]chan received
	closed  chan struct{}
}

// Connect makes a connection of a browser's pipe.
func Connect(to io.Writer) *Connection {
	return &Connection{to: to, waiting: map[int64]chan received{}, closed: make(chan struct{})}
}

// Closed is closed when the browser is gone.
func (connection *Connection) Closed() <-chan struct{} { return connection.closed }

// Serve reads what the browser says until it is gone. Events are given to `on` one after another; it must not wait for calls.
func (connection *Connection) Serve(from io.Reader, on func(Event)) {
	defer close(connection.closed)
	reader := bufio.NewReader(from)
	for {
		text, err := reader.ReadBytes(0)
		if err != nil {
			return
		}
		var one received
		if json.Unmarshal(text[:len(text)-1], &one) != nil {
			continue
		}
		if one.ID == 0 {
			on(Event{one.SessionID, one.Method, one.Params})
			continue
		}
		connection.mutex.Lock()
		answer := connection.waiting[one.ID]
		delete(connection.waiting, one.ID)
		connection.mutex.Unlock()
		if answer != nil {
			answer <- one
		}
	}
}

// Call sends a command to a session, or to the browser itself if there is none, and waits for its result.
func (connection *Connection) Call(ctx context.Context, session, method string, params, result any) error {
	answer, err := connection.send(session, method, params)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	case <-connection.closed:
		return errClosed
	case one := <-answer:
		if one.Error != nil {
			return fmt.Errorf("%s: %s", method, one.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(one.Result, result)
	}
}

// Send sends a command and does not wait; event handlers may do that.
func (connection *Connection) Send(session, method string, params any) {
	// A browser that is gone is told of by Closed.
	_, _ = connection.send(session, method, params)
}

func (connection *Connection) send(session, method string, params any) (<-chan received, error) {
	connection.mutex.Lock()
	defer connection.mutex.Unlock()
	connection.last++
	text, err := json.Marshal(message{ID: connection.last, SessionID: session, Method: method, Params: params})
	if err != nil {
		return nil, err
	}
	answer := make(chan received, 1)
	connection.waiting[connection.last] = answer
	if _, err := connection.to.Write(append(text, 0)); err != nil {
		delete(connection.waiting, connection.last)
		return nil, errClosed
	}
	return answer, nil
}
