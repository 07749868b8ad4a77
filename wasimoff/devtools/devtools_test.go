package devtools

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
)

// browser answers every command with its own method, and tells of an event first.
func browser(t *testing.T, on func(Event)) *Connection {
	t.Helper()
	commandsFrom, commandsTo := io.Pipe()
	answersFrom, answersTo := io.Pipe()
	go func() {
		reader := bufio.NewReader(commandsFrom)
		for {
			text, err := reader.ReadBytes(0)
			if err != nil {
				answersTo.Close()
				return
			}
			var command received
			_ = json.Unmarshal(text[:len(text)-1], &command)
			if command.Method == "Browser.close" {
				answersTo.Close()
				return
			}
			answer := map[string]any{"id": command.ID, "result": map[string]string{"was": command.Method}}
			if command.Method == "Bad" {
				answer = map[string]any{"id": command.ID, "error": map[string]string{"message": "no such thing"}}
			}
			for _, one := range []any{map[string]any{"method": "Happened", "sessionId": command.SessionID}, answer} {
				line, _ := json.Marshal(one)
				_, _ = answersTo.Write(append(line, 0))
			}
		}
	}()
	t.Cleanup(func() { commandsTo.Close() })
	connection := Connect(commandsTo)
	go connection.Serve(answersFrom, on)
	return connection
}

func TestCallsAndEvents(t *testing.T) {
	events := make(chan Event, 9)
	connection := browser(t, func(event Event) { events <- event })
	var result struct{ Was string }
	if err := connection.Call(t.Context(), "s1", "Page.enable", nil, &result); err != nil || result.Was != "Page.enable" {
		t.Fatal(result, err)
	}
	if event := <-events; event.Session != "s1" || event.Method != "Happened" {
		t.Fatal(event)
	}
	if err := connection.Call(t.Context(), "", "Bad", nil, nil); err == nil || err.Error() != "Bad: no such thing" {
		t.Fatal(err)
	}
}

func TestCallsEndWithTheBrowser(t *testing.T) {
	connection := browser(t, func(Event) {})
	if err := connection.Call(context.Background(), "", "Browser.close", nil, nil); !errors.Is(err, errClosed) {
		t.Fatal(err)
	}
	<-connection.Closed()
}
