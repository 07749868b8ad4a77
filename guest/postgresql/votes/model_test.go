package votes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A cluster whose every step may come at any time: links that break in one moment and mend in the next, nodes that crash
// or stand still for as long as they like, answers that get lost, candidates that count their votes an hour later. There
// is no clock in it, so nothing can hold because a clock is right.

type record struct {
	id   int
	term Term
}

type node struct {
	Status
	log []record
	// upstream is whom it receives from, by a connection that ends with the term.
	upstream *node
	term     Term
	// reported has how far standbys have said that they are; a primary keeps it until it stops being one.
	reported map[string]int
	acked    int
	// campaign is what a candidate has been granted. A node that crashes forgets it.
	campaign *campaign
	alive    bool
}

type campaign struct {
	request Request
	granted []string
}

// rules are what the model runs by; tests break them one at a time, to see that the model would notice.
type rules struct {
	forgetsVotes    bool
	votesForAnybody bool
	followsAnybody  bool
	startsAsPrimary bool
	copies          func(members int) int
}

type cluster struct {
	rules
	random  *rand.Rand
	nodes   []*node
	members []string
	cut     map[[2]string]bool
	written int
	// acknowledged is the longest history that any client was told to be safe.
	acknowledged    []record
	acks, elections int
	fault           error
}

func newCluster(seed uint64, size int, rules rules) *cluster {
	c := &cluster{rules: rules, random: rand.New(rand.NewPCG(seed, 1)), cut: map[[2]string]bool{}}
	if c.copies == nil {
		c.copies = Copies
	}
	for index := range size {
		name := fmt.Sprintf("node%d", index+1)
		c.members = append(c.members, name)
		c.nodes = append(c.nodes, &node{Status: Status{Name: name, Role: Empty}, alive: true, reported: map[string]int{}})
	}
	// As it is once all have joined the one that founded it.
	c.nodes[0].Role, c.nodes[0].Ballot = Primary, Ballot{1, "node1"}
	c.append(c.nodes[0])
	for _, n := range c.nodes[1:] {
		c.follow(n, c.nodes[0])
		c.replicate(n)
	}
	return c
}

func (c *cluster) append(n *node) {
	c.written++
	n.log = append(n.log, record{c.written, n.Ballot.Term})
}

// status is what a node says of itself.
func (n *node) status() Status {
	status := n.Status
	status.Position = Position{LSN: uint64(len(n.log))}
	if len(n.log) > 0 {
		status.Position.Term = n.log[len(n.log)-1].term
	}
	status.Receiving = n.upstream != nil
	return status
}

func (c *cluster) linked(a, b *node) bool {
	return a == b || a.alive && b.alive && !c.cut[[2]string{min(a.Name, b.Name), max(a.Name, b.Name)}]
}

// answers are what a node hears from the others.
func (c *cluster) answers(n *node) []Status {
	var heard []Status
	for _, other := range c.nodes {
		if other != n && c.linked(n, other) {
			heard = append(heard, other.status())
		}
	}
	return heard
}

func (c *cluster) any() *node { return c.nodes[c.random.IntN(len(c.nodes))] }

// step does something somewhere.
func (c *cluster) step() {
	n, other := c.any(), c.any()
	switch chance := c.random.IntN(100); {
	case chance < 3: // A link breaks, or mends.
		if key := [2]string{min(n.Name, other.Name), max(n.Name, other.Name)}; c.cut[key] {
			delete(c.cut, key)
		} else if c.random.IntN(3) == 0 {
			c.cut[key] = true
		}
	case chance < 4:
		if c.random.IntN(3) == 0 {
			c.crash(n)
		}
	case chance < 12:
		c.start(n)
	case chance < 18:
		if n.alive && n.Role == Primary {
			c.append(n)
		}
	case chance < 50:
		for range 3 {
			c.replicate(n)
		}
	case chance < 60:
		c.acknowledge(n)
	case chance < 65: // It notices that it hears nothing any more, or believes so.
		if n.upstream == nil || !c.linked(n, n.upstream) || n.upstream.Role != Primary || c.random.IntN(30) == 0 {
			n.upstream = nil
			c.stand(n)
		}
	case chance < 78:
		c.ask(n, other)
	case chance < 82:
		c.conclude(n)
	case chance < 84:
		if n.Role == Primary {
			c.obey(n, Decide(n.status(), c.members, c.answers(n)))
		}
	default:
		for _, primary := range c.nodes {
			if primary.Role == Primary && n.upstream == nil && c.random.IntN(2) == 0 {
				c.follow(n, primary)
			}
		}
	}
}

func (c *cluster) crash(n *node) {
	n.alive, n.upstream, n.campaign, n.reported = false, nil, nil, map[string]int{}
	if n.Role == Standby || n.Role == Primary && !c.startsAsPrimary {
		n.Role = Down
	}
	if c.forgetsVotes {
		n.Ballot = Ballot{}
	}
}

func (c *cluster) start(n *node) {
	n.alive = true
	if n.Role == Down {
		n.Role = Standby
	}
}

func (c *cluster) stand(n *node) {
	if !n.alive || n.Role != Standby || n.upstream != nil {
		return
	}
	n.campaign = &campaign{request: Request{n.Name, NextTerm(n.status(), c.answers(n)), n.status().Position}}
	c.ask(n, n)
}

// ask has a candidate ask for a vote; the answer may get lost.
func (c *cluster) ask(candidate, voter *node) {
	if candidate.campaign == nil || !c.linked(candidate, voter) || !voter.alive {
		return
	}
	status := voter.status()
	if c.votesForAnybody {
		status.Position = Position{}
	}
	ballot, reply := Vote(status, candidate.campaign.request)
	voter.Ballot = ballot
	if reply.Granted && c.random.IntN(10) > 0 {
		candidate.campaign.granted = append(candidate.campaign.granted, voter.Name)
	}
}

func (c *cluster) conclude(n *node) {
	if !n.alive || n.campaign == nil || n.Role != Standby || !Elected(c.members, n.campaign.granted) {
		return
	}
	request := n.campaign.request
	n.campaign = nil
	// What it says of itself must be so still: it has heard of a later term otherwise.
	if n.Ballot != (Ballot{request.Term, n.Name}) || n.upstream != nil {
		return
	}
	c.elections++
	n.Role, n.reported, n.acked = Primary, map[string]int{}, len(n.log)
	c.append(n)
}

// follow has a node receive from another one, which costs it what it has beyond that one's history.
func (c *cluster) follow(n, primary *node) {
	if n == primary || !c.linked(n, primary) || primary.Role != Primary || n.Role == Primary {
		return
	}
	if !c.followsAnybody && !MayFollow(n.status(), primary.Ballot.Term) {
		return
	}
	n.Ballot = Followed(n.Ballot, primary.Name, primary.Ballot.Term)
	n.Role, n.upstream, n.term, n.campaign = Standby, primary, primary.Ballot.Term, nil
	common := 0
	for common < min(len(n.log), len(primary.log)) && n.log[common] == primary.log[common] {
		common++
	}
	if common < len(n.log) {
		// Copied anew: a node that is at it has nothing until all is there.
		n.log = slices.Clone(primary.log)
	}
}

func (c *cluster) replicate(n *node) {
	primary := n.upstream
	if primary == nil || !c.linked(n, primary) {
		return
	}
	if primary.Role != Primary || primary.Ballot.Term != n.term {
		n.upstream = nil
		return
	}
	if len(n.log) < len(primary.log) {
		n.log = append(n.log, primary.log[len(n.log)])
	}
	if c.random.IntN(4) > 0 {
		primary.reported[n.Name] = len(n.log)
	}
}

// acknowledge tells clients what a primary believes to be safe, whatever has become of the others meanwhile.
func (c *cluster) acknowledge(n *node) {
	if !n.alive || n.Role != Primary {
		return
	}
	for length := len(n.log); length > n.acked; length-- {
		having := 0
		for _, reported := range n.reported {
			if reported >= length {
				having++
			}
		}
		if having >= c.copies(len(c.members)) {
			n.acked = length
			c.acks++
			c.check(n, n.log[:length])
			return
		}
	}
}

// check holds a history that a client was told to be safe against all that clients were told before: of two, one goes on
// where the other ends. A write that was lost, or two primaries that acknowledge apart from each other, break that.
func (c *cluster) check(n *node, history []record) {
	for index := range min(len(history), len(c.acknowledged)) {
		if history[index] != c.acknowledged[index] {
			c.fault = fmt.Errorf("%s acknowledges in term %d, where the acknowledged record %d of term %d is missing",
				n.Name, n.Ballot.Term, c.acknowledged[index].id, c.acknowledged[index].term)
			return
		}
	}
	if len(history) > len(c.acknowledged) {
		c.acknowledged = slices.Clone(history)
	}
}

func (c *cluster) obey(n *node, decision Decision) {
	switch decision.Duty {
	case StepDown:
		n.Role, n.reported = Standby, map[string]int{}
	case StandBy:
		c.start(n)
	case Follow:
		for _, other := range c.nodes {
			if other.Name == decision.Of {
				c.follow(n, other)
			}
		}
	case Campaign:
		c.stand(n)
		for _, voter := range c.nodes {
			if voter != n {
				c.ask(n, voter)
			}
		}
		c.conclude(n)
	}
}

// explore runs clusters until one of them breaks a rule.
func explore(size int, seeds uint64, rules rules) (acks, elections int, fault error) {
	for seed := range seeds {
		c := newCluster(seed, size, rules)
		for range 1000 {
			if c.step(); c.fault != nil {
				return acks, elections, fmt.Errorf("seed %d: %w", seed, c.fault)
			}
		}
		acks, elections = acks+c.acks, elections+c.elections
	}
	return acks, elections, nil
}

func TestNothingAcknowledgedIsLost(t *testing.T) {
	for _, size := range []int{1, 2, 3, 4, 5} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			t.Parallel()
			acks, elections, fault := explore(size, 600, rules{})
			if fault != nil {
				t.Fatal(fault)
			}
			t.Logf("%d acknowledged, %d elections", acks, elections)
			// Of a cluster that does nothing, everything holds.
			if acks < 700 || size > 1 && elections < 100 {
				t.Errorf("only %d acknowledged in %d elections", acks, elections)
			}
		})
	}
}

func TestTheModelNoticesABrokenRule(t *testing.T) {
	for name, broken := range map[string]rules{
		"a vote that a crash forgets":                        {forgetsVotes: true},
		"a vote for one that lacks something":                {votesForAnybody: true},
		"a standby that goes back to a primary of old":       {followsAnybody: true},
		"a primary that starts as one again":                 {startsAsPrimary: true, followsAnybody: true},
		"a write that is acknowledged with one copy too few": {copies: func(members int) int { return Copies(members) - 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, fault := explore(3, 3000, broken)
			if fault == nil {
				t.Error("nothing was noticed")
			}
			t.Log(fault)
		})
	}
}

// Safe is also a cluster that stands still for ever: this one goes on as soon as its nodes see one another.
func TestAHealedClusterWritesAgain(t *testing.T) {
	for seed := range uint64(300) {
		c := newCluster(seed, 3+2*int(seed%2), rules{})
		for range 300 {
			c.step()
		}
		c.cut = map[[2]string]bool{}
		for _, n := range c.nodes {
			n.alive, n.campaign = true, nil
		}
		before := c.acks
		for round := 0; c.acks == before; round++ {
			if round == 30 {
				for _, n := range c.nodes {
					t.Logf("%+v: %+v", n.status(), Decide(n.status(), c.members, c.answers(n)))
				}
				t.Fatalf("seed %d: no write is acknowledged", seed)
			}
			for _, n := range c.nodes {
				if n.upstream != nil && n.upstream.Role != Primary {
					n.upstream = nil
				}
				c.obey(n, Decide(n.status(), c.members, c.answers(n)))
				if n.Role == Primary {
					c.append(n)
				}
				for range 50 {
					c.replicate(n)
				}
				c.acknowledge(n)
			}
		}
		if c.fault != nil {
			t.Fatalf("seed %d: %v", seed, c.fault)
		}
	}
}
