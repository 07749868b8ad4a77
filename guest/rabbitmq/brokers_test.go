package rabbitmq

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// management is a stand-in for a broker's management interface.
func management(t *testing.T, answers map[string]string) *Brokers {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if user, password, _ := request.BasicAuth(); user != "wire" || password != "secret" {
			writer.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer, found := answers[request.URL.RequestURI()]
		if !found {
			writer.WriteHeader(http.StatusNotFound)
			return
		}
		if request.URL.Path == "/api/health/checks/alarms" {
			writer.WriteHeader(http.StatusServiceUnavailable)
		}
		writer.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	number, _ := strconv.Atoi(port)
	settings := Settings{Self: "one", Nodes: []Node{{Name: "one", Address: host}}, User: "wire", Management: number}
	brokers, err := NewBrokers(Specification{settings, Secrets{Password: "secret"}}, "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	brokers.Knock = time.Second
	return brokers
}

func TestBrokersAnswer(t *testing.T) {
	brokers := management(t, map[string]string{
		"/api/nodes?columns=name,running":                 `[{"name": "rabbit@one", "running": true}, {"name": "rabbit@two"}]`,
		"/api/nodes?columns=name,partitions":              `[{"name": "rabbit@one", "partitions": ["rabbit@two"]}, {"name": "rabbit@two", "partitions": []}]`,
		"/api/health/checks/alarms":                       `{"status": "failed", "reason": "alarms", "alarms": [{"resource": "memory", "node": "rabbit@two"}]}`,
		"/api/health/checks/node-is-quorum-critical":      `{"status": "failed", "reason": "needed", "queues": [{"readable_name": "queue a"}]}`,
		"/api/health/checks/node-is-mirror-sync-critical": `{"status": "ok"}`,
		"/api/queues": `[{"name": "a", "type": "quorum", "members": ["rabbit@one"]}, {"name": "b", "type": "classic"}]`,
	})
	members, err := brokers.Members("one")
	if err != nil || len(members) != 2 || !members["one"] || members["two"] {
		t.Error(members, err)
	}
	if divided, err := brokers.Divided("one"); err != nil || len(divided) != 1 || divided[0] != "one" {
		t.Error(divided, err)
	}
	for check, wanted := range map[string]string{"alarms": "memory on rabbit@two", "node-is-quorum-critical": "needed queue a", "node-is-mirror-sync-critical": ""} {
		if reason, err := brokers.Check("one", check); err != nil || reason != wanted {
			t.Error(check, reason, err)
		}
	}
	if lacking, total, err := brokers.Lacking("two"); err != nil || total != 1 || len(lacking) != 1 {
		t.Error(lacking, total, err)
	}
	_, err = brokers.Check("one", "unknown")
	expect(t, err, "answers health/checks/unknown with 404")
}

func TestBrokersThatDoNotAnswer(t *testing.T) {
	brokers := management(t, nil)
	brokers.Password = "former"
	if _, err := brokers.Members("one"); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	port := listener.Addr().(*net.TCPAddr).Port
	if got := brokers.Reach("one", port); got != Listens {
		t.Error(got)
	}
	listener.Close()
	if got := brokers.Reach("one", port); got != Refuses {
		t.Error(got)
	}
	brokers.Ways = []Way{{port, false}}
	_, err := brokers.Members("one")
	expect(t, err, "the broker on one does not answer at 127.0.0.1:"+strconv.Itoa(port))
	// The other way, while TLS is being switched on.
	working := management(t, map[string]string{"/api/nodes?columns=name,running": `[]`})
	working.Ways = append([]Way{{working.Management, true}}, working.Ways...)
	if _, err := working.Members("one"); err != nil {
		t.Error(err)
	}
	if ways := working.EitherWay().Ways; ways[len(ways)-1] != (Way{15671, true}) {
		t.Error(ways)
	}
	working.TLS = true
	if ways := working.EitherWay().Ways; ways[len(ways)-1] != (Way{15672, false}) {
		t.Error(ways)
	}
}
