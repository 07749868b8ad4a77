package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"

	"wiab-staging/guest/machine"
)

// Services of systemd's.
const (
	server     = "rabbitmq-server"
	portMapped = "wiab-epmd"
)

const (
	directory = "/etc/wiab/rabbitmq"
	programs  = "/opt/wiab/rabbitmq"
	home      = "/var/lib/rabbitmq"
	// Kept is where a node keeps its specification: commands that people and timers give have no other.
	Kept = directory + "/specification.json"
	// member lies beside the data, with which it goes: this node has become a member of the cluster.
	member = home + "/wiab-member"
	// joins is there until then, and says whom a node without data joins.
	joins = "/etc/rabbitmq/conf.d/wiab-join.conf"
)

// Broker is the broker of this node. It implements [wiab-staging/guest/service.Service].
type Broker struct {
	Decider
	Secrets
	*machine.Machine
	// Program is the path of this program.
	Program string
	// Look is the health of the whole cluster.
	Look func(context.Context) (string, error)
}

// NewBroker is the broker of the machine that this program runs on.
func NewBroker(specification Specification, here *machine.Machine) (*Broker, error) {
	brokers, err := NewBrokers(specification, here.Path("/etc/wiab/ca.crt"))
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	decider := Decider{specification.Settings, brokers.EitherWay()}
	return &Broker{decider, specification.Secrets, here, program, brokers.Health}, nil
}

// files that a broker is made of.
func (b *Broker) files() []machine.File {
	settings, secrets := b.Settings, b.Secrets
	files := []machine.File{
		// Erlang reads it again by itself, and Settle has the cluster take the definitions.
		{Path: directory + "/hosts", Text: settings.Hosts},
		{Path: directory + "/definitions.json", Text: secrets.Definitions, Mode: 0o640, Owner: "root:rabbitmq"},
		{Path: "/etc/systemd/system/" + portMapped + ".service", Text: settings.EpmdUnit, Restarts: portMapped},
		{Path: directory + "/inetrc", Text: settings.Inetrc, Restarts: server},
		{Path: "/etc/rabbitmq/rabbitmq-env.conf", Text: settings.Environment, Restarts: server},
		{Path: "/etc/rabbitmq/rabbitmq.conf", Text: settings.Configuration, Restarts: server},
		{Path: "/etc/rabbitmq/enabled_plugins", Text: "[rabbitmq_management].\n", Restarts: server},
		{Path: "/etc/systemd/system/" + server + ".service", Text: settings.Unit, Restarts: server},
		b.cookie(),
	}
	if settings.TLS {
		files = append(files,
			machine.File{Path: directory + "/tls.crt", Text: settings.Certificate, Restarts: server},
			machine.File{Path: directory + "/tls.key", Text: secrets.PrivateKey, Mode: 0o640, Owner: "root:rabbitmq", Restarts: server},
		)
	}
	return files
}

func (b *Broker) cookie() machine.File {
	return machine.File{Path: home + "/.erlang.cookie", Text: b.Secrets.Cookie, Mode: 0o400, Owner: "rabbitmq:rabbitmq", Restarts: server}
}

// commands are what people and timers give, each a verb of this program.
func (b *Broker) commands() []machine.File {
	var files []machine.File
	for _, verb := range []string{"plan", "health", "backup", "restore"} {
		text := fmt.Sprintf("#!/bin/sh\nexec %s %s rabbitmq\n", b.Program, verb)
		files = append(files, machine.File{Path: programs + "/" + verb, Text: text, Mode: 0o755})
	}
	return files
}

func (b *Broker) admissions() []machine.Admission {
	var nodes []string
	for _, node := range b.Nodes {
		nodes = append(nodes, node.Address)
	}
	clients := []string{strconv.Itoa(b.AMQP), strconv.Itoa(b.Management)}
	return []machine.Admission{
		{Name: "rabbitmq", Ports: clients, Addresses: slices.Concat(nodes, b.Clients)},
		{Name: "rabbitmq-cluster", Ports: b.ClusterPorts, Addresses: nodes},
	}
}

// Retires implements service.Service.
func (b *Broker) Retires() bool { return b.retires(b.Self) }

var brokerName = regexp.MustCompile(`rabbit@[^],'"]+`)

// IsMember implements service.Service. Whatever a killed run has left, a broker that has met others is one of theirs.
func (b *Broker) IsMember() bool {
	if b.Exists(member) {
		return true
	}
	text, _ := os.ReadFile(b.Path(b.data() + "/cluster_nodes.config"))
	met := map[string]bool{}
	for _, name := range brokerName.FindAllString(string(text), -1) {
		met[name] = true
	}
	return len(met) > 1
}

// data is the folder of the broker's database; what lies beside it begins with the same name.
func (b *Broker) data() string { return home + "/mnesia/rabbit@" + b.Self }

// Check implements service.Service.
func (b *Broker) Check(ctx context.Context) error {
	installed, err := b.Installed(ctx, server)
	if err != nil {
		return err
	}
	older := b.Older(ctx, installed, b.Version)
	if err := Step(b.Self, installed, b.Version, b.UpgradesFrom, older); err != nil {
		return err
	}
	// One with another cookie does not find the others.
	if b.IsMember() && !b.Has(b.cookie()) {
		return fmt.Errorf("the Erlang cookie has changed, and brokers with different ones do not know each other: restore the former one in the state, "+
			"or stop rabbitmq-server on all nodes and give each the new one in %s", b.cookie().Path)
	}
	return nil
}

// remember keeps the specification, and puts the commands there.
func (b *Broker) remember(ctx context.Context) error {
	text, err := json.Marshal(Specification{b.Settings, b.Secrets})
	if err != nil {
		return err
	}
	for _, file := range append(b.commands(), machine.File{Path: Kept, Text: string(text), Mode: 0o600}) {
		if err := b.Keep(ctx, file); err != nil {
			return err
		}
	}
	// What the scripts of earlier versions had there.
	return b.Remove(directory+"/settings.json", programs+"/*.py", programs+"/__pycache__", programs+"/state", programs+"/definitions")
}

// Configure implements service.Service.
func (b *Broker) Configure(ctx context.Context) error {
	if err := b.remember(ctx); err != nil {
		return err
	}
	for _, admission := range b.admissions() {
		if err := b.Admit(ctx, admission); err != nil {
			return err
		}
	}
	// Debian's would listen on every address.
	if err := b.Do(ctx, "systemctl", "--quiet", "mask", "epmd.socket", "epmd.service"); err != nil {
		return err
	}
	for _, file := range b.files() {
		if err := b.Keep(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

// Plan implements service.Service.
func (b *Broker) Plan(ctx context.Context) ([]string, error) {
	installed, err := b.Installed(ctx, server)
	if err != nil {
		return nil, err
	}
	var differs []string
	note := func(whether bool, format string, values ...any) {
		if whether {
			differs = append(differs, fmt.Sprintf(format, values...))
		}
	}
	if b.Retires() {
		note(b.IsMember(), "%s is a member still, and is to leave", b.Self)
		return differs, nil
	}
	note(installed != b.Version, "%s is %s, not %s", server, installed, b.Version)
	for _, file := range append(b.files(), b.commands()...) {
		note(!b.Has(file), "%s has another text", file.Path)
	}
	for _, admission := range b.admissions() {
		note(!b.Admits(ctx, admission), "who may reach %s is not as it shall be", admission.Name)
	}
	for _, service := range []string{portMapped, server} {
		note(!b.IsActive(ctx, service), "%s does not run", service)
		note(b.NeedsRestart(service), "%s runs with former files", service)
	}
	note(!b.IsMember(), "%s is no member of the cluster", b.Self)
	if b.servesAnybody() == nil {
		lost, guest, err := b.lost(ctx, b.Secrets.Definitions)
		if err != nil {
			return nil, err
		}
		for _, name := range lost {
			note(true, "%s is not as it shall be", name)
		}
		note(guest, "there is a user guest")
	}
	return differs, nil
}
