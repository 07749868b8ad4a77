package rabbitmq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"wiab-staging/guest/service"
)

// fake is a cluster that says what a test wants.
type fake struct {
	members  map[string]map[string]bool
	refuses  bool
	divided  map[string][]string
	checks   map[string]string
	lacking  []string
	listens  map[string]bool
	answers  map[string]bool
	watching map[string]bool
}

func (f fake) Members(node string) (map[string]bool, error) {
	if f.refuses {
		return nil, ErrRefused
	}
	if members, found := f.members[node]; found {
		return members, nil
	}
	return nil, errors.New("the broker on " + node + " does not answer")
}
func (f fake) Divided(node string) ([]string, error) { return f.divided[node], nil }
func (f fake) Check(_, check string) (string, error) { return f.checks[check], nil }
func (f fake) Lacking(string) ([]string, int, error) { return f.lacking, 9, nil }
func (f fake) Reach(node string, _ int) Reach {
	switch {
	case f.listens[node]:
		return Listens
	case f.answers[node]:
		return Refuses
	}
	return Silent
}

func at(self string, cluster Cluster, retiring ...string) Decider {
	var nodes []Node
	for index, name := range []string{"one", "two", "three"} {
		nodes = append(nodes, Node{name, fmt.Sprintf("192.0.2.%d", index+1), slices.Contains(retiring, name)})
	}
	return Decider{Settings{Self: self, Nodes: nodes, User: "wire", AMQP: 5672}, cluster}
}

var all = map[string]bool{"one": true, "two": true, "three": true}

func expect(t *testing.T, err error, says string) {
	t.Helper()
	if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("%v, not %q", err, says)
	}
}

func TestPlace(t *testing.T) {
	nobody := map[string]bool{"one": true, "two": true, "three": true}
	for name, test := range map[string]struct {
		decider Decider
		place   Place
		says    string
	}{
		"the founder begins":         {at("one", fake{answers: nobody}), Place{}, ""},
		"nobody else does":           {at("two", fake{answers: nobody}), Place{}, "one is to found it"},
		"with one that retires":      {at("two", fake{answers: nobody}, "one"), Place{}, ""},
		"a silent node may have one": {at("one", fake{answers: map[string]bool{"three": true}}), Place{}, "two does not answer at all"},
		"so may one that is stopped": {at("one", fake{answers: nobody, listens: map[string]bool{"three": true}}), Place{}, "three has been made a broker before"},
		"a cluster is joined":        {at("three", fake{members: map[string]map[string]bool{"one": {"one": true}}}), Place{Peer: "one"}, ""},
		"or rejoined":                {at("three", fake{members: map[string]map[string]bool{"two": {"two": true, "three": false}}}), Place{"two", true}, ""},
		"once it has noticed":        {at("three", fake{members: map[string]map[string]bool{"one": all}}), Place{}, "has not noticed yet"},
		"by a user that it knows":    {at("three", fake{refuses: true}), Place{}, "refuses the user"},
		"those that stay come first": {at("three", fake{members: map[string]map[string]bool{"one": {"one": true}, "two": {"two": true}}}, "one"), Place{Peer: "two"}, ""},
	} {
		place, err := test.decider.Place()
		t.Run(name, func(t *testing.T) { expect(t, err, test.says) })
		if place != test.place {
			t.Errorf("%s: %+v", name, place)
		}
	}
}

func TestServesAndWaits(t *testing.T) {
	up := map[string]map[string]bool{"one": all}
	expect(t, at("one", fake{members: up, listens: all}).Serves(), "")
	expect(t, at("one", fake{members: up}).Serves(), "does not let clients in yet")
	expect(t, at("one", fake{members: map[string]map[string]bool{"one": {"one": false}}}).Serves(), "is not running")
	expect(t, at("one", fake{}).Serves(), "does not answer")
	expect(t, at("one", fake{listens: map[string]bool{"one": true}}).Waits(), "")
	expect(t, at("one", fake{listens: all}).Waits(), "does not serve yet")
	expect(t, at("one", fake{}).Waits(), "has not begun")
}

func TestSpare(t *testing.T) {
	up := map[string]map[string]bool{"one": all}
	expect(t, at("one", fake{members: up}).Spare(), "")
	expect(t, at("one", fake{}).Spare(), "does not answer")
	expect(t, at("one", fake{members: map[string]map[string]bool{"one": {"one": true, "two": false}}}).Spare(), "two does not run: one is needed")
	expect(t, at("one", fake{members: up, divided: map[string][]string{"one": {"two"}}}).Spare(), "partition of the network between two")
	critical := map[string]string{"node-is-quorum-critical": "queues that need it: a, b"}
	expect(t, at("one", fake{members: up, checks: critical}).Spare(), "one is needed until other brokers have caught up: queues that need it: a, b")
	// Two need each other always.
	expect(t, at("one", fake{members: map[string]map[string]bool{"one": {"one": true, "two": true}}, checks: critical}).Spare(), "")
}

func TestReplicated(t *testing.T) {
	expect(t, at("one", fake{}).Replicated("two"), "")
	expect(t, at("one", fake{lacking: []string{"a", "b", "c", "d", "e", "f"}}).Replicated("two"), "6 of 9 quorum queues have no replica on two: a, b, c, d, e")
}

func TestLeaving(t *testing.T) {
	peer, err := at("three", fake{members: map[string]map[string]bool{"one": all}}).Leave()
	expect(t, err, "")
	if peer != "one" {
		t.Error(peer)
	}
	peer, err = at("three", fake{members: map[string]map[string]bool{"one": {"one": true}}}).Leave()
	expect(t, err, "")
	if peer != "" {
		t.Error(peer)
	}
	_, err = at("three", fake{}).Leave()
	expect(t, err, "no other broker answers: one, two")
	_, err = at("three", fake{refuses: true}).Leave()
	expect(t, err, "refuses the user")
	expect(t, at("three", fake{members: map[string]map[string]bool{"one": all}}).Gone(), "one still counts three among those that run")
	expect(t, at("three", fake{members: map[string]map[string]bool{"one": {"one": true, "three": false}}}).Gone(), "")
	expect(t, at("three", fake{}).Gone(), "no other broker answers")
	expect(t, at("three", fake{refuses: true}).Gone(), "refuses the user")
}

func TestTurn(t *testing.T) {
	if err := at("two", fake{members: map[string]map[string]bool{"one": all}}).Turn(); !errors.Is(err, service.ErrElsewhere) || service.Code(err) != service.Elsewhere {
		t.Error(err)
	}
	expect(t, at("two", fake{}).Turn(), "")
	expect(t, at("one", fake{members: map[string]map[string]bool{"two": all}}).Turn(), "")
	expect(t, at("three", fake{}, "three").Turn(), "")
}

func TestHealthy(t *testing.T) {
	up := map[string]map[string]bool{"one": all, "two": all, "three": all}
	said, err := at("one", fake{members: up}).Healthy()
	expect(t, err, "")
	if said != "3 of 3 brokers run in every view, no partitions, no alarms" {
		t.Error(said)
	}
	for says, cluster := range map[string]fake{
		"three does not answer":                                      {members: map[string]map[string]bool{"one": all, "two": all}},
		"three is not a member of the cluster that two is in":        {members: map[string]map[string]bool{"one": all, "two": {"one": true, "two": true}, "three": all}},
		"one sees three as a member whose broker does not run":       {members: map[string]map[string]bool{"one": {"one": true, "two": true, "three": false}, "two": all, "three": all}},
		"two sees a partition of the network at three":               {members: up, divided: map[string][]string{"two": {"three"}}},
		"alarm: too little memory on rabbit@two; nobody can publish": {members: up, checks: map[string]string{"alarms": "memory on rabbit@two"}},
	} {
		_, err := at("one", cluster).Healthy()
		expect(t, err, says)
	}
	// One that retires may be gone already.
	gone := map[string]bool{"one": true, "two": true, "three": false}
	_, err = at("one", fake{members: map[string]map[string]bool{"one": gone, "two": gone}}, "three").Healthy()
	expect(t, err, "")
}

func TestStep(t *testing.T) {
	expect(t, Step("one", "3.10.8-1", "3.10.8-1", "3.9", false), "")
	expect(t, Step("one", "3.10.8-1", "3.10.9-1", "3.9", true), "")
	expect(t, Step("one", "1:3.9.27-1", "3.10.8-1", "3.9", true), "")
	expect(t, Step("one", "3.10.8-1", "3.9.27-1", "3.8", false), "the older 3.9.27-1 cannot read")
	expect(t, Step("one", "3.10.8-1", "3.12.1-1", "3.11", true), "in one step: only 3.11 can")
	expect(t, Step("one", "odd", "3.12.1-1", "3.11", true), "in one step")
}
