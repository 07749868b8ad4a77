package rabbitmq

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"wiab-staging/guest/machine"
	"wiab-staging/guest/service"
)

var ctx = context.Background()

// What changes something that runs.
var acts = []string{"systemctl restart", "systemctl stop", "systemctl disable", "rabbitmq", "apt-get"}

func TestFounds(t *testing.T) {
	s := on(t, "one")
	expect(t, service.Apply(ctx, s.broker), "")
	s.same(s.did(acts...), "systemctl stop rabbitmq-server.service", "systemctl restart wiab-epmd.service", "systemctl restart rabbitmq-server.service")
	s.says("RabbitMQ 3.10.8-1 on one serves")
	if !s.broker.IsMember() || s.broker.Exists(joins) {
		t.Error("it has not become a member")
	}
	differs, err := s.broker.Plan(ctx)
	expect(t, err, "")
	s.same(differs)
	// All of it again does nothing.
	s.calls = nil
	expect(t, service.Apply(ctx, s.broker), "")
	s.same(s.calls, "systemctl mask epmd.socket epmd.service")
}

func TestFoundsNothing(t *testing.T) {
	s := on(t, "two")
	expect(t, service.Apply(ctx, s.broker), "there is no cluster that two could join: one is to found it")
	silent := on(t, "one")
	silent.answers = nil
	expect(t, service.Apply(ctx, silent.broker), "gave up after 0 s waiting for word of where one belongs: two does not answer at all")
	for _, each := range []*scene{s, silent} {
		each.same(each.did("systemctl restart"))
	}
}

func TestJoins(t *testing.T) {
	s := on(t, "two")
	s.members["one"] = map[string]bool{"one": true}
	s.lacking = []string{"q"}
	s.started = func() {
		s.serves("one", "two")
		s.broker.Put(ctx, machine.File{Path: s.broker.data() + "/cluster_nodes.config", Text: "{['rabbit@one','rabbit@two'],['rabbit@one']}."})
	}
	expect(t, service.Apply(ctx, s.broker), "")
	s.same(s.did("rabbitmq"), "rabbitmq-queues grow rabbit@two all")
	if s.broker.Exists(joins) || !s.broker.IsMember() {
		t.Error("it has not become a member")
	}
}

func TestRejoins(t *testing.T) {
	s := on(t, "two")
	s.members["one"] = map[string]bool{"one": true, "two": false}
	s.broker.Put(ctx, machine.File{Path: s.broker.data() + ".pid"})
	// The broker has made a cluster of its own.
	expect(t, service.Apply(ctx, s.broker), "two has not become a member of the cluster of one")
	s.same(s.did("rabbitmqctl"), "rabbitmqctl rabbit@one forget_cluster_node rabbit@two")
	if s.active[server] || s.broker.Exists(s.broker.data()+".pid") || !strings.Contains(s.text(joins), "rabbit@one") {
		t.Error("it runs, or former data are there")
	}
	s.fails = "rabbitmqctl rabbit@one forget"
	expect(t, service.Apply(ctx, s.broker), "one cannot strike two from the list of members")
}

func TestRestartsForASetting(t *testing.T) {
	s := on(t, "one").isMember()
	s.broker.Configuration = "another"
	critical := map[string]string{"node-is-quorum-critical": "q"}
	s.checks = critical
	expect(t, service.Apply(ctx, s.broker), "waiting for the other brokers to be able to do without one: one is needed")
	s.same(s.did(acts...))
	differs, err := s.broker.Plan(ctx)
	expect(t, err, "")
	s.same(differs, "rabbitmq-server runs with former files")
	s.checks = nil
	expect(t, service.Apply(ctx, s.broker), "")
	s.same(s.did(acts...), "systemctl restart rabbitmq-server.service")
	if s.text("/etc/rabbitmq/rabbitmq.conf") != "another" {
		t.Error("the file is not there")
	}
}

func TestUpgrades(t *testing.T) {
	s := on(t, "one").isMember()
	s.installed, s.older = "3.9.1-1", true
	expect(t, service.Apply(ctx, s.broker), "")
	s.same(s.did(acts...), "systemctl stop rabbitmq-server.service", "apt-get install rabbitmq-server=3.10.8-1", "systemctl restart rabbitmq-server.service")
	s.installed, s.older = "3.11.1-1", false
	expect(t, service.Apply(ctx, s.broker), "whose data the older 3.10.8-1 cannot read")
	s.installed, s.older, s.fails = "3.9.1-1", true, "apt-get"
	expect(t, service.Apply(ctx, s.broker), "apt could not install rabbitmq-server 3.10.8-1")
}

func TestRefusesAnotherCookie(t *testing.T) {
	s := on(t, "one").isMember()
	s.broker.Cookie = "secret-other"
	expect(t, service.Apply(ctx, s.broker), "the Erlang cookie has changed")
	if s.text(home+"/.erlang.cookie") != "secret-cookie" {
		t.Error("it has been replaced")
	}
}

func TestWaitsForTheOthers(t *testing.T) {
	s := on(t, "one").isMember()
	s.active[server] = false
	delete(s.members, "one")
	s.started = func() { s.listens["one"] = true }
	expect(t, service.Apply(ctx, s.broker), "")
	s.says("RabbitMQ 3.10.8-1 on one waits for the others")
	s.active[server] = false
	s.started = func() { s.listens = map[string]bool{} }
	expect(t, service.Apply(ctx, s.broker), "gave up after 0 s waiting for the broker on one")
}

func TestBringsItsPassword(t *testing.T) {
	s := on(t, "one").isMember()
	s.refuses = true
	expect(t, service.Apply(ctx, s.broker), "")
	s.same(s.did("rabbitmqctl"), "rabbitmqctl import_definitions")
	s.same(s.inputs, ours)
}

func TestLeaves(t *testing.T) {
	s := on(t, "three", "three").isMember()
	s.members["one"] = map[string]bool{"one": true, "two": true, "three": true}
	s.lacking = []string{"q"}
	s.broker.Settings.Patience = 60
	gone := s.broker.Machine.Execute
	s.broker.Machine.Execute = func(ctx context.Context, input, name string, words ...string) (string, error) {
		answer, err := gone(ctx, input, name, words...)
		s.members["one"]["three"] = s.active[server]
		return answer, err
	}
	expect(t, service.Apply(ctx, s.broker), "")
	s.same(s.did(acts...), "rabbitmq-queues grow rabbit@one all", "systemctl stop rabbitmq-server.service",
		"rabbitmqctl rabbit@one forget_cluster_node rabbit@three", "systemctl disable --now rabbitmq-server.service", "systemctl disable --now wiab-epmd.service")
	s.says("RabbitMQ has left three")
	if s.broker.IsMember() {
		t.Error("it has data still")
	}
	differs, err := s.broker.Plan(ctx)
	expect(t, err, "")
	s.same(differs)
}

func TestCannotLeave(t *testing.T) {
	s := on(t, "three", "three").isMember()
	expect(t, service.Apply(ctx, s.broker), "three cannot leave: no other broker answers: one, two")
	differs, _ := s.broker.Plan(ctx)
	s.same(differs, "three is a member still, and is to leave")
	s.same(s.did(acts...))
}

func TestPlanNamesWhatDiffers(t *testing.T) {
	s := on(t, "one").isMember()
	s.broker.Put(ctx, machine.File{Path: "/etc/rabbitmq/rabbitmq.conf", Text: "by hand"})
	s.broker.Put(ctx, machine.File{Path: "/etc/wiab/rabbitmq/admit.nft", Text: "by hand"})
	s.exported = strings.ReplaceAll(complete, `"users": [`, `"users": [{"name": "guest"}, `)
	s.exported = strings.ReplaceAll(s.exported, `"h"`, `"other"`)
	differs, err := s.broker.Plan(ctx)
	expect(t, err, "")
	s.same(differs, "/etc/rabbitmq/rabbitmq.conf has another text", "who may reach rabbitmq is not as it shall be",
		"users wire is not as it shall be", "there is a user guest")
	s.active[server] = false
	differs, _ = s.broker.Plan(ctx)
	if !slices.Contains(differs, "rabbitmq-server does not run") {
		t.Error(differs)
	}
	s.same(s.calls)
}

func TestKeepsSecretsToItself(t *testing.T) {
	s := on(t, "one")
	s.broker.Put(ctx, machine.File{Path: directory + "/settings.json", Text: "secret-former"})
	s.broker.Put(ctx, machine.File{Path: programs + "/amqp.py"})
	expect(t, service.Apply(ctx, s.broker), "")
	for path, mode := range map[string]os.FileMode{Kept: 0o600, home + "/.erlang.cookie": 0o400, directory + "/definitions.json": 0o640, programs + "/health": 0o755} {
		if info, err := os.Stat(s.broker.Path(path)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
	if s.broker.Exists(directory+"/settings.json") || s.broker.Exists(programs+"/amqp.py") {
		t.Error("what scripts had is there still")
	}
	for _, call := range s.calls {
		if strings.Contains(call, "secret-") {
			t.Error(call)
		}
	}
	kept, err := ReadKept(s.broker.Path(Kept))
	if err != nil || kept.Secrets != s.broker.Secrets {
		t.Error(err)
	}
}

func TestSpecification(t *testing.T) {
	whole, _ := json.Marshal(specification("one"))
	if _, err := ReadSpecification(whole); err != nil {
		t.Error(err)
	}
	tls := specification("one")
	tls.Settings.TLS = true
	certificate, _ := json.Marshal(tls)
	_, err := ReadSpecification(certificate)
	expect(t, err, "lacks: certificate")
	_, err = ReadSpecification([]byte(strings.Replace(string(whole), `"version"`, `"colour"`, 1)))
	expect(t, err, "no specification of RabbitMQ that this version of wiab knows")
	_, err = ReadSpecification([]byte(`{"secrets": {"password": "secret-word"}}`))
	expect(t, err, "lacks: files, node among nodes, ports, secrets, user, version")
	if strings.Contains(err.Error(), "secret-word") {
		t.Error(err)
	}
	broker := Broker{Decider: Decider{Settings: tls.Settings}, Secrets: Secrets{PrivateKey: "secret-key"}}
	if files := broker.files(); files[len(files)-1].Text != "secret-key" || files[len(files)-1].Mode != 0o640 {
		t.Error("the key is not among the files")
	}
}
