package rabbitmq

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wiab-staging/guest/machine"
	"wiab-staging/guest/service"
)

// Ports on which a broker is asked whether there is one: the port mapper runs wherever there ever was a broker, the
// distribution where one has begun.
const (
	portMapper   = 4369
	distribution = 25672
)

// Ports of the management interface.
const (
	managementPlain = 15672
	managementTLS   = 15671
)

// Reach is what knocking at a port told.
type Reach int

const (
	// Silent: nothing at all answers, so nobody knows.
	Silent Reach = iota
	// Refuses: the machine answers, and nothing listens.
	Refuses
	// Listens is that something does.
	Listens
)

// ErrRefused is that a broker does not know the user, or the password.
var ErrRefused = errors.New("the broker refuses the user")

// Cluster is the cluster as its brokers tell of it.
type Cluster interface {
	// Members that a broker knows, each with whether it runs.
	Members(node string) (map[string]bool, error)
	// Divided are those whom a broker lost sight of in a partition that is not healed.
	Divided(node string) ([]string, error)
	// Check is why a broker's own check of health fails; empty if it does not.
	Check(node, check string) (string, error)
	// Lacking are the quorum queues that have no replica on a node, and of how many.
	Lacking(node string) (lacking []string, total int, err error)
	Reach(node string, port int) Reach
}

// Place is where a node without data belongs.
type Place struct {
	// Peer is a broker of the cluster that is there; empty if there is none.
	Peer string
	// Known is whether that one counts this node as a member already, with data that are gone.
	Known bool
}

// Decider decides for a node what it may do.
type Decider struct {
	Settings
	Cluster
}

// other is a broker of the cluster on another node, with the members that it knows; empty if none answers.
func (d Decider) other() (string, map[string]bool, error) {
	for _, name := range d.others() {
		members, err := d.Members(name)
		if err == nil {
			return name, members, nil
		}
		if errors.Is(err, ErrRefused) {
			return "", nil, err
		}
	}
	return "", nil, nil
}

// Place finds where a node without data belongs. Only where all others say that they have never been brokers is there no
// cluster, and only the founder begins one.
func (d Decider) Place() (Place, error) {
	peer, members, err := d.other()
	if err != nil {
		return Place{}, err
	}
	if peer != "" {
		runs, known := members[d.Self]
		if runs {
			return Place{}, fmt.Errorf("%s has not noticed yet that the former broker on %s is gone", peer, d.Self)
		}
		return Place{Peer: peer, Known: known}, nil
	}
	for _, name := range d.others() {
		switch d.Reach(name, portMapper) {
		case Silent:
			return Place{}, fmt.Errorf("%s does not answer at all, so nobody knows whether there is a cluster already", name)
		case Listens:
			return Place{}, fmt.Errorf("%s has been made a broker before and its broker does not answer: start rabbitmq-server there "+
				"(if it never had any data, stop wiab-epmd there)", name)
		}
	}
	if founder := d.Staying()[0]; founder != d.Self {
		return Place{}, machine.Final{Err: fmt.Errorf("there is no cluster that %s could join: %s is to found it", d.Self, founder)}
	}
	return Place{}, nil
}

// Serves is whether the broker here serves.
func (d Decider) Serves() error {
	members, err := d.Members(d.Self)
	if err != nil {
		return err
	}
	if !members[d.Self] {
		return fmt.Errorf("the broker on %s is not running", d.Self)
	}
	// The management interface is there earlier.
	if d.Reach(d.Self, d.AMQP) != Listens {
		return fmt.Errorf("the broker on %s does not let clients in yet", d.Self)
	}
	return nil
}

// Waits is whether the broker here has begun, and not yet all of the others, for which it may have to wait.
func (d Decider) Waits() error {
	if d.Reach(d.Self, distribution) != Listens {
		return fmt.Errorf("the broker on %s has not begun", d.Self)
	}
	for _, name := range d.Staying() {
		if name != d.Self && d.Reach(name, distribution) != Listens {
			return nil
		}
	}
	return fmt.Errorf("the broker on %s does not serve yet", d.Self)
}

// Spare is whether the others can do without the broker here.
func (d Decider) Spare() error {
	members, err := d.Members(d.Self)
	if err != nil {
		return err
	}
	if down := namesWhere(members, false); len(down) > 0 {
		return fmt.Errorf("%s does not run: %s is needed", strings.Join(down, ", "), d.Self)
	}
	divided, err := d.Divided(d.Self)
	if err != nil {
		return err
	}
	if len(divided) > 0 {
		return fmt.Errorf("there is a partition of the network between %s", strings.Join(divided, ", "))
	}
	// Of two replicas both are needed, always: service pauses while either is away, and nothing is lost.
	if len(members) <= 2 {
		return nil
	}
	for _, check := range []string{"node-is-quorum-critical", "node-is-mirror-sync-critical"} {
		reason, err := d.Check(d.Self, check)
		if err != nil {
			return err
		}
		if reason != "" {
			return fmt.Errorf("%s is needed until other brokers have caught up: %s", d.Self, reason)
		}
	}
	return nil
}

// Replicated is whether every quorum queue has a replica on a node.
func (d Decider) Replicated(node string) error {
	lacking, total, err := d.Lacking(node)
	if err != nil || len(lacking) == 0 {
		return err
	}
	return fmt.Errorf("%d of %d quorum queues have no replica on %s: %s", len(lacking), total, node, strings.Join(lacking[:min(5, len(lacking))], ", "))
}

// Leave is which other broker still counts this one as a member; empty if none does.
func (d Decider) Leave() (string, error) {
	peer, members, err := d.other()
	if err != nil {
		return "", err
	}
	if peer == "" {
		return "", fmt.Errorf("no other broker answers: %s", cmp.Or(strings.Join(d.others(), ", "), "there is none"))
	}
	if _, known := members[d.Self]; !known {
		return "", nil
	}
	return peer, nil
}

// Gone is whether the others have seen that the broker here has stopped.
func (d Decider) Gone() error {
	peer, members, err := d.other()
	if err != nil {
		return err
	}
	if peer == "" {
		return errors.New("no other broker answers")
	}
	if members[d.Self] {
		return fmt.Errorf("%s still counts %s among those that run", peer, d.Self)
	}
	return nil
}

// Turn is whether a backup is made here: where no broker that runs comes before.
func (d Decider) Turn() error {
	for _, name := range d.Staying() {
		if name == d.Self {
			return nil
		}
		if _, err := d.Members(name); err == nil {
			return fmt.Errorf("%w: that of %s", service.ErrElsewhere, name)
		}
	}
	return nil
}

// Healthy looks at the cluster through the eyes of each broker that stays.
func (d Decider) Healthy() (string, error) {
	staying := d.Staying()
	views := map[string]map[string]bool{}
	for _, name := range staying {
		members, err := d.Members(name)
		if err != nil {
			return "", err
		}
		views[name] = members
	}
	for _, viewer := range staying {
		for _, name := range staying {
			if _, known := views[viewer][name]; !known {
				return "", fmt.Errorf("%s is not a member of the cluster that %s is in", name, viewer)
			}
		}
		for _, name := range namesWhere(views[viewer], false) {
			if !d.retires(name) {
				return "", fmt.Errorf("%s sees %s as a member whose broker does not run", viewer, name)
			}
		}
		divided, err := d.Divided(viewer)
		if err != nil {
			return "", err
		}
		if len(divided) > 0 {
			return "", fmt.Errorf("%s sees a partition of the network at %s", viewer, divided[0])
		}
		alarms, err := d.Check(viewer, "alarms")
		if err != nil {
			return "", err
		}
		if alarms != "" {
			return "", fmt.Errorf("alarm: too little %s; nobody can publish", alarms)
		}
	}
	return fmt.Sprintf("%d of %d brokers run in every view, no partitions, no alarms", len(staying), len(staying)), nil
}

func namesWhere(members map[string]bool, runs bool) []string {
	var names []string
	for name, running := range members {
		if running == runs {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
