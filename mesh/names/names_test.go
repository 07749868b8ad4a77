package names

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wiab-staging/mesh/settings"
)

func TestLabelsFollowTheSharedExamples(t *testing.T) {
	text, err := os.ReadFile("vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors [][2]string
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, vector := range vectors {
		if label := LabelOf(vector[0]); label != strings.ToLower(vector[1]) {
			t.Errorf("%q becomes %q, wanted is %q", vector[0], label, vector[1])
		}
	}
}

func claim(id, name string, created int64) Claim {
	return Claim{Source: "container", ID: id, Name: name, Created: time.Unix(created, 0)}
}

func labels(settled []Settled) map[string]string {
	result := map[string]string{}
	for _, one := range settled {
		result[one.ID] = one.Label
	}
	return result
}

func TestTheFormerNameComesBack(t *testing.T) {
	first, second := claim("1", "a.b", 1), claim("2", "a_b", 2)
	if found := labels(Settle(nil, []Claim{second, first}, false)); found["1"] != "a-b" || found["2"] != "" {
		t.Errorf("both: %v", found)
	}
	if found := labels(Settle(nil, []Claim{second}, false)); found["2"] != "a-b" {
		t.Errorf("the first has gone: %v", found)
	}
	if found := labels(Settle(map[string]string{"a-b": "the configuration"}, []Claim{first}, false)); found["1"] != "" {
		t.Errorf("a container takes a label of the configuration: %v", found)
	}
	suffixed := labels(Settle(nil, []Claim{first, second}, true))["2"]
	if !strings.HasPrefix(suffixed, "a-b-") || labels(Settle(nil, []Claim{first, claim("3", "a-b", 1), second}, true))["2"] != suffixed {
		t.Errorf("the suffix does not stay: %s", suffixed)
	}
	for _, name := range []string{"___", "NS", strings.Repeat("x", 64)} {
		if found := Settle(nil, []Claim{claim("1", name, 1)}, true); found[0].Label != "" && found[0].Label == LabelOf(name) || LabelOf(name) == "" && found[0].Refused == "" {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// docker is an API that has these containers, and none while it is nil.
func docker(t *testing.T, containers *string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.FormValue("filters") != `{"network":["wgnet"]}` || *containers == "" {
			http.Error(writer, "no", http.StatusInternalServerError)
			return
		}
		_, _ = writer.Write([]byte(*containers))
	}))
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return socket
}

const one = `{"Id": "1", "Names": ["/_my.awesome_container_.123."], "Created": 5,
"Ports": [{"PrivatePort": 80, "Type": "tcp"}, {"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
"NetworkSettings": {"Networks": {"wgnet": {"IPAddress": "172.31.0.2", "IPPrefixLen": 16}, "bridge": {"IPAddress": "172.17.0.2"}}}}`

const mute = `{"Id": "2", "Names": ["/mute"], "Created": 6, "Ports": [], "NetworkSettings": {"Networks": {"wgnet": {"IPAddress": "172.31.0.3"}}}}`

func TestContainersComeAndGo(t *testing.T) {
	containers := "[" + one + "," + mute + "]"
	directory := t.TempDir()
	s := settings.Settings{
		Interface: "wg", Port: 29292, StateDirectory: directory, PollSeconds: 5, PresharedHours: 24,
		Site:       settings.Site{Zone: "a.internal", Prefix: netip.MustParsePrefix("fd51:1::/64"), Endpoint: "192.0.2.1:29292"},
		Containers: &settings.Containers{Socket: docker(t, &containers), Network: "wgnet"},
		Peers: []settings.Site{
			{Zone: "b.internal", Prefix: netip.MustParsePrefix("fd51:2::/64"), Endpoint: "192.0.2.2:29292"},
		},
		Access: []settings.Access{{Label: "my-awesome-container-123", Ports: []uint16{80}, Peers: []string{"b.internal"}}},
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(directory, "mesh.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	keeper := &keeper{last: map[string][]Claim{}}
	look := func() (*settings.Settings, *settings.Offered, string) {
		t.Helper()
		if err := keeper.once(context.Background(), file); err != nil {
			t.Fatal(err)
		}
		all, err := settings.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		offered, err := settings.ReadOffered(all)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := os.ReadFile(ZoneFile(&s))
		if err != nil {
			t.Fatal(err)
		}
		return all, offered, string(zone)
	}
	all, offered, zone := look()
	if len(all.Services) != 1 || all.Services[0].Label != "my-awesome-container-123" || all.Services[0].Targets[0] != "172.31.0.2:80" {
		t.Errorf("services are %+v", all.Services)
	}
	if peers := all.Services[0].Peers; len(peers) != 1 || peers[0] != "b.internal" || offered.Names[0].Closed {
		t.Errorf("it is declared, and %v may use it", peers)
	}
	if len(all.Callers) != 1 || all.Callers[0].String() != "172.31.0.0/16" {
		t.Errorf("names of other sites are for %v", all.Callers)
	}
	if len(offered.Names) != 2 || offered.Names[1].Refused == "" {
		t.Errorf("names are %+v", offered.Names)
	}
	if !strings.Contains(zone, "my-awesome-container-123 IN AAAA fd51:1::") {
		t.Errorf("the zone is\n%s", zone)
	}
	// What Docker does not say, because it is being restarted, takes no name away.
	containers = ""
	if _, offered, again := look(); again != zone || len(offered.Trouble) != 1 {
		t.Errorf("without Docker: %v\n%s", offered.Trouble, again)
	}
	containers = "[]"
	if all, _, zone := look(); len(all.Services) != 0 || strings.Contains(zone, "awesome") {
		t.Errorf("it has gone, and there are still %+v\n%s", all.Services, zone)
	}
}

func TestServicesOfKubernetesAskForTheirNames(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.Header.Get("Authorization") != "Bearer token" || request.FormValue("labelSelector") != Label {
			http.Error(writer, "no", http.StatusForbidden)
			return
		}
		_, _ = writer.Write([]byte(`{"items": [
{"metadata": {"name": "web", "namespace": "default", "uid": "1", "labels": {"mesh.wiab-staging/name": "Web_Server"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
 "spec": {"ports": [{"protocol": "TCP", "port": 80, "nodePort": 30080}]}},
{"metadata": {"name": "inner", "namespace": "default", "uid": "2", "labels": {"mesh.wiab-staging/name": ""}, "creationTimestamp": "2026-01-02T00:00:00Z"},
 "spec": {"ports": [{"protocol": "TCP", "port": 80}]}}]}`))
	}))
	defer server.Close()
	cluster := &Cluster{
		// The first is a control plane that is away.
		Servers:   []string{"127.0.0.1:1", server.Listener.Addr().String()},
		Authority: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
		Token:     "token", Nodes: []string{"10.0.0.1", "10.0.0.2"},
	}
	claims, err := cluster.Services(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	settled := Settle(nil, claims, false)
	if len(settled) != 2 || settled[0].Label != "web-server" || strings.Join(settled[0].Offers[0].Targets, " ") != "10.0.0.1:30080 10.0.0.2:30080" {
		t.Errorf("settled are %+v", settled)
	}
	if settled[1].Label != "" || !strings.Contains(settled[1].Refused, "node port") {
		t.Errorf("one without a node port: %+v", settled[1])
	}
	cluster.Token = "another"
	if _, err := cluster.Services(context.Background()); err == nil {
		t.Error("a refusal is taken as an empty list")
	}
}

func TestASerialNumberFollowsFromTheZone(t *testing.T) {
	s := &settings.Settings{Site: settings.Site{Zone: "a.internal", Prefix: netip.MustParsePrefix("fd51:1::/64")}}
	empty := Zone(s)
	service := settings.Service{Label: "web", Address: AddressOf(s.Site.Prefix, "web"), Port: 80}
	s.Services = []settings.Service{service, service}
	full := Zone(s)
	if full == empty || strings.Count(full, "web IN AAAA") != 1 || Zone(s) != full {
		t.Errorf("the zone is\n%s", full)
	}
	if serial := strings.Fields(strings.Split(full, "SOA ns hostmaster ")[1])[0]; strings.Contains(empty, serial) {
		t.Errorf("both have the serial number %s", serial)
	}
}
