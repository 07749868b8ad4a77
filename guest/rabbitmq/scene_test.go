package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wiab-staging/guest/machine"
)

// scene is a node whose programs are played, and the cluster around it.
type scene struct {
	fake
	t         *testing.T
	broker    *Broker
	installed string
	older     bool
	active    map[string]bool
	enabled   map[string]bool
	tables    map[string]bool
	exported  string
	fails     string
	calls     []string
	inputs    []string
	said      strings.Builder
	// started is what happens when the broker starts.
	started func()
}

const ours = `{"vhosts": [{"name": "/"}], "users": [{"name": "wire", "password_hash": "h"}], "permissions": [], "policies": []}`
const complete = `{"vhosts": [{"name": "/"}], "users": [{"name": "wire", "password_hash": "h"}], "permissions": [], "policies": [],
 "queues": [{"name": "q"}], "exchanges": [], "bindings": []}`

func specification(self string, retiring ...string) Specification {
	settings := at(self, nil, retiring...).Settings
	settings.Version, settings.UpgradesFrom, settings.Patience = "3.10.8-1", "3.9", 0
	settings.AMQP, settings.Management, settings.ClusterPorts = 5672, 15672, []string{"4369", "35672-35682"}
	settings.Clients = []string{"192.0.2.21"}
	settings.Configuration, settings.Environment, settings.Inetrc = "configuration", "environment", "inetrc"
	settings.Hosts, settings.Unit, settings.EpmdUnit = "hosts", "unit", "epmd"
	return Specification{settings, Secrets{Password: "secret-password", Cookie: "secret-cookie", Definitions: ours}}
}

// on is the node self of three, with nothing on it yet; the others have never been brokers.
func on(t *testing.T, self string, retiring ...string) *scene {
	t.Helper()
	s := &scene{
		t: t, installed: "3.10.8-1", exported: complete,
		active: map[string]bool{}, enabled: map[string]bool{}, tables: map[string]bool{},
		fake: fake{answers: map[string]bool{"one": true, "two": true, "three": true}, listens: map[string]bool{}, members: map[string]map[string]bool{}},
	}
	s.started = func() { s.serves("one", "two", "three") }
	specified := specification(self, retiring...)
	here := &machine.Machine{Root: t.TempDir(), Execute: s.execute, Out: &s.said, Pause: time.Millisecond}
	look := func(context.Context) (string, error) {
		if s.fails == "health" {
			return "", errors.New("no health")
		}
		return "all is well", nil
	}
	s.broker = &Broker{Decider{specified.Settings, s}, specified.Secrets, here, "/opt/wiab/rabbitmq/dist/x/wiab", look}
	return s
}

// serves has the broker of this node serve in a cluster of these.
func (s *scene) serves(members ...string) {
	running := map[string]bool{}
	for _, name := range members {
		running[name] = true
	}
	s.members[s.broker.Self], s.listens[s.broker.Self] = running, true
}

// isMember makes a member of the node, with all that belongs to it.
func (s *scene) isMember() *scene {
	s.t.Helper()
	ctx := context.Background()
	for _, err := range []error{s.broker.Configure(ctx), s.broker.Put(ctx, machine.File{Path: member})} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for _, service := range []string{server, portMapped} {
		if err := s.broker.Run(ctx, service); err != nil {
			s.t.Fatal(err)
		}
	}
	s.calls, s.inputs = nil, nil
	s.said.Reset()
	return s
}

// Members of a node whose service has stopped are unknown.
func (s *scene) Members(node string) (map[string]bool, error) {
	if node == s.broker.Self && !s.active[server] && !s.refuses {
		return nil, fmt.Errorf("the broker on %s does not answer", node)
	}
	return s.fake.Members(node)
}

func (s *scene) execute(_ context.Context, input, name string, arguments ...string) (string, error) {
	words := slices.DeleteFunc(slices.Clone(arguments), func(word string) bool {
		return strings.HasPrefix(word, "--") && word != "--now" || strings.Contains(word, "::")
	})
	call := strings.Join(append([]string{name}, words...), " ")
	unit := strings.TrimSuffix(words[len(words)-1], ".service")
	no := errors.New("exit status 1")
	if s.fails != "" && strings.HasPrefix(call, s.fails) {
		return "", no
	}
	answer := func(yes bool) (string, error) {
		if yes {
			return "", nil
		}
		return "", no
	}
	switch {
	case name == "dpkg-query":
		return s.installed, nil
	case name == "dpkg":
		return answer(s.older)
	case strings.HasPrefix(call, "systemctl is-active"):
		return answer(s.active[unit])
	case strings.HasPrefix(call, "systemctl is-enabled"):
		return answer(s.enabled[unit])
	case strings.HasPrefix(call, "systemctl show"), name == "chown", name == "journalctl":
		return "", nil
	case strings.HasPrefix(call, "nft list"):
		return answer(s.tables[unit])
	case strings.HasPrefix(call, "rabbitmqctl export"):
		return s.exported, nil
	}
	s.calls = append(s.calls, call)
	if input != "" {
		s.inputs = append(s.inputs, input)
	}
	switch {
	case strings.HasPrefix(call, "systemctl enable"):
		s.enabled[unit] = true
	case strings.HasPrefix(call, "systemctl restart"):
		s.active[unit] = true
		if unit == server {
			s.started()
		}
	case strings.HasPrefix(call, "systemctl stop"), strings.HasPrefix(call, "systemctl disable"):
		s.active[unit] = false
	case name == "nft":
		// The table of a file is named after its folder.
		s.tables["wiab_"+strings.ReplaceAll(filepath.Base(filepath.Dir(unit)), "-", "_")] = true
	case name == "apt-get":
		s.installed = s.broker.Version
	case strings.HasPrefix(call, "rabbitmqctl import"):
		s.refuses = false
	case name == "rabbitmq-queues":
		s.lacking = nil
	}
	return "", nil
}

// did is what was done of what begins like this.
func (s *scene) did(beginnings ...string) []string {
	var done []string
	for _, call := range s.calls {
		if slices.ContainsFunc(beginnings, func(beginning string) bool { return strings.HasPrefix(call, beginning) }) {
			done = append(done, call)
		}
	}
	return done
}

func (s *scene) same(got []string, wanted ...string) {
	s.t.Helper()
	if !slices.Equal(got, wanted) {
		s.t.Errorf("%q, not %q", got, wanted)
	}
}

func (s *scene) says(wanted string) {
	s.t.Helper()
	if !strings.Contains(s.said.String(), wanted) {
		s.t.Errorf("%q lacks %q", s.said.String(), wanted)
	}
}

func (s *scene) text(path string) string {
	text, _ := os.ReadFile(filepath.Join(s.broker.Root, path))
	return string(text)
}
