package votes

import (
	"strings"
	"testing"
)

var three = []string{"a", "b", "c"}

func TestMajorityAndCopiesMeet(t *testing.T) {
	for members := 1; members <= 9; members++ {
		// The primary has it as well.
		if Majority(members)+Copies(members)+1 <= members {
			t.Errorf("%d members: a majority of %d need have none of those who have a write", members, Majority(members))
		}
		if 2*Majority(members) <= members {
			t.Errorf("%d members have two majorities apart from each other", members)
		}
	}
}

func TestVote(t *testing.T) {
	standby := Status{Name: "b", Role: Standby, Position: Position{2, 100}, Ballot: Ballot{3, "c"}}
	with := func(change func(*Status)) Status {
		changed := standby
		change(&changed)
		return changed
	}
	for name, test := range map[string]struct {
		own     Status
		request Request
		why     string
	}{
		"as much":              {standby, Request{"a", 4, Position{2, 100}}, ""},
		"more of a later term": {standby, Request{"a", 4, Position{3, 7}}, ""},
		"the same once more":   {standby, Request{"c", 3, Position{2, 100}}, ""},
		"a term that is over":  {standby, Request{"a", 2, Position{2, 100}}, "term 2 is over"},
		"another's term":       {standby, Request{"a", 3, Position{2, 100}}, "its vote in term 3 was c's"},
		"less":                 {standby, Request{"a", 4, Position{2, 99}}, "it has data that the candidate lacks"},
		"more of an old term":  {standby, Request{"a", 4, Position{1, 900}}, "it has data that the candidate lacks"},
		"one who receives":     {with(func(s *Status) { s.Receiving = true }), Request{"a", 4, Position{2, 100}}, "it still hears the primary"},
		"a primary":            {with(func(s *Status) { s.Role = Primary }), Request{"a", 4, Position{2, 100}}, "it is primary"},
		"one that is down":     {with(func(s *Status) { s.Role = Down }), Request{"a", 4, Position{2, 100}}, "it is down"},
		"one without data":     {Status{Name: "b", Role: Empty}, Request{"a", 4, Position{2, 100}}, "it is empty"},
	} {
		ballot, reply := Vote(test.own, test.request)
		if reply.Why != test.why || reply.Granted != (test.why == "") {
			t.Errorf("%s: %+v, not %q", name, reply, test.why)
		}
		wanted := test.own.Ballot
		if reply.Granted {
			wanted = Ballot{test.request.Term, test.request.Candidate}
		}
		if ballot != wanted {
			t.Errorf("%s: the ballot became %+v", name, ballot)
		}
	}
}

func TestElectedCountsEachMemberOnce(t *testing.T) {
	if !Elected(three, []string{"a", "c"}) || Elected(three, []string{"a", "a"}) || Elected(three, []string{"a", "stranger"}) {
		t.Error("votes are miscounted")
	}
}

func TestDecide(t *testing.T) {
	standby := func(name string, lsn uint64) Status {
		return Status{Name: name, Role: Standby, Position: Position{1, lsn}, Ballot: Ballot{1, "a"}}
	}
	primary := func(name string, term Term) Status {
		return Status{Name: name, Role: Primary, Position: Position{term, 9}, Ballot: Ballot{term, name}}
	}
	receiving := standby("b", 5)
	receiving.Receiving = true
	later := standby("b", 5)
	later.Ballot = Ballot{2, "c"}
	for name, test := range map[string]struct {
		own     Status
		answers []Status
		duty    Duty
		says    string
	}{
		"a primary stays":                     {primary("a", 1), []Status{receiving}, Stay, ""},
		"and does so alone":                   {primary("a", 1), nil, Stay, ""},
		"until somebody voted later":          {primary("a", 1), []Status{later}, StepDown, "b has voted in the later term 2"},
		"or is the primary of a later term":   {primary("a", 1), []Status{primary("c", 2)}, StepDown, "c has voted"},
		"a standby goes on receiving":         {receiving, []Status{primary("a", 1)}, Stay, ""},
		"also if the primary does not answer": {receiving, nil, Stay, ""},
		"and turns to a later one":            {receiving, []Status{primary("a", 1), primary("c", 2)}, Follow, "primary of term 2"},
		"and never to one of old":             {later, []Status{primary("a", 1)}, Wait, "1 of 3 nodes can agree"},
		"an empty node follows":               {Status{Name: "b", Role: Empty}, []Status{primary("a", 1)}, Follow, ""},
		"or waits":                            {Status{Name: "b", Role: Empty}, []Status{standby("c", 5)}, Wait, "no data here"},
		"a former primary stands by":          {Status{Name: "a", Role: Down, Ballot: Ballot{1, "a"}}, nil, StandBy, ""},
		"one with a majority campaigns":       {standby("b", 5), []Status{standby("c", 5)}, Campaign, ""},
		"unless another has more":             {standby("b", 5), []Status{standby("c", 6)}, Wait, "c has more"},
		"or somebody hears a primary":         {standby("c", 5), []Status{receiving}, Wait, "1 of 3"},
	} {
		got := Decide(test.own, three, test.answers)
		if got.Duty != test.duty || !strings.Contains(got.Why, test.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestNextTermIsLaterThanAll(t *testing.T) {
	own := Status{Ballot: Ballot{Term: 2}, Position: Position{Term: 1}}
	if got := NextTerm(own, []Status{{Position: Position{Term: 5}}, {Ballot: Ballot{Term: 4}}}); got != 6 {
		t.Errorf("%d", got)
	}
}
