// Package votes decides who may be PostgreSQL's primary. It asks nothing and changes nothing: whoever uses it tells it
// what the nodes say of themselves, and does what it decides.
//
// The rules are those of Raft's elections (Ongaro and Ousterhout 2014, sections 5.2 and 5.4), with PostgreSQL's
// synchronous replication in the place of Raft's log:
//
//   - A primary belongs to a term, and each term has one primary at most: a node gives one vote in a term, and keeps it on
//     disk before anybody hears of it.
//   - A voter stops receiving before it votes. From then on it follows nobody of an earlier term, so what it said it had
//     is what the former primary can count on.
//   - It votes for nobody who lacks what it has itself.
//   - A primary acknowledges a write once so many standbys have it that every majority has one of them.
//
// No rule asks for the time: a machine may be suspended between any two steps of an election, and a clock may say
// anything. A primary whose term is over gets no further write acknowledged, whether it knows of that or not.
package votes

import (
	"fmt"
	"slices"
)

// Term counts elections. Zero is that of a node that has never heard of one.
type Term uint64

// Position says how much a node has: of whose history, and how far.
type Position struct {
	// Term in which the newest record that it has was written; a primary writes one as soon as it is promoted. The number
	// of the timeline does not serve: two primaries that were promoted apart from each other have the same.
	Term Term `json:"term"`
	// LSN is how far, in bytes of WAL.
	LSN uint64 `json:"lsn"`
}

// Behind is whether a node with position p lacks something that one with position other has.
func (p Position) Behind(other Position) bool {
	return p.Term < other.Term || p.Term == other.Term && p.LSN < other.LSN
}

// Role of a node.
type Role string

const (
	// Primary takes writes.
	Primary Role = "primary"
	// Standby receives what the primary has written, or has lost sight of it.
	Standby Role = "standby"
	// Down is a node with data whose PostgreSQL does not run.
	Down Role = "down"
	// Empty is a node without any data.
	Empty Role = "empty"
)

// Status is what a node knows of itself and tells the others.
type Status struct {
	Name     string   `json:"name"`
	Role     Role     `json:"role"`
	Position Position `json:"position"`
	// Receiving is whether a primary sends it what is written.
	Receiving bool `json:"receiving"`
	// Ballot is its last vote. A primary's is that of its own term.
	Ballot Ballot `json:"ballot"`
}

// Ballot is a node's vote in the newest term that it has heard of. It is written to disk before it is told to anybody.
type Ballot struct {
	Term      Term   `json:"term"`
	Candidate string `json:"candidate"`
}

// Majority is how many of so many members have to agree: one more than half.
func Majority(members int) int { return members/2 + 1 }

// Copies is on how many standbys, besides the primary, a write has to be before it is acknowledged: so many that every
// majority has one of those who have it. One member has nobody to wait for.
func Copies(members int) int { return members - Majority(members) }

// Request is what a candidate asks of a voter.
type Request struct {
	Candidate string   `json:"candidate"`
	Term      Term     `json:"term"`
	Position  Position `json:"position"`
}

// Reply to a [Request].
type Reply struct {
	Voter   string `json:"voter"`
	Granted bool   `json:"granted"`
	// Term that the voter has heard of, for a candidate that comes with an older one.
	Term Term `json:"term"`
	// Why it was refused.
	Why string `json:"why,omitempty"`
}

// Vote decides on a request. A granted one changes the ballot, which has to be on disk before the reply leaves. The voter
// must have stopped receiving: where it has not, the reply says so and nothing changes. A primary votes for
// nobody: it does not know what it may have acknowledged a moment ago. One that is down does not know how much it has.
func Vote(own Status, request Request) (Ballot, Reply) {
	refuse := func(why string) (Ballot, Reply) {
		return own.Ballot, Reply{Voter: own.Name, Term: own.Ballot.Term, Why: why}
	}
	switch {
	case request.Term < own.Ballot.Term:
		return refuse(fmt.Sprintf("term %d is over", request.Term))
	case request.Term == own.Ballot.Term && own.Ballot.Candidate != request.Candidate:
		return refuse(fmt.Sprintf("its vote in term %d was %s's", request.Term, own.Ballot.Candidate))
	case own.Role != Standby:
		return refuse("it is " + string(own.Role))
	case own.Receiving:
		return refuse("it still hears the primary")
	case request.Position.Behind(own.Position):
		return refuse("it has data that the candidate lacks")
	}
	return Ballot{request.Term, request.Candidate}, Reply{Voter: own.Name, Granted: true, Term: request.Term}
}

// Elected is whether a candidate has the votes of a majority of the members, each counted once. What it was granted does
// not grow old: a voter that has voted in a later term follows it no more.
func Elected(members []string, granted []string) bool {
	count := 0
	for _, member := range members {
		if slices.Contains(granted, member) {
			count++
		}
	}
	return count >= Majority(len(members))
}

// MayFollow is whether a node may receive from a primary of a term, and give up for it what it has beyond that primary's
// data: never from one of an earlier term than it has voted in, or has data from.
func MayFollow(own Status, primary Term) bool {
	return primary >= own.Ballot.Term && primary >= own.Position.Term
}

// Followed is the ballot of a node that follows a primary; it is on disk before the first byte is received.
func Followed(own Ballot, name string, primary Term) Ballot {
	if primary > own.Term {
		return Ballot{primary, name}
	}
	return own
}

// NextTerm is the term that a candidate asks for: later than every one that anybody has told it of.
func NextTerm(own Status, answers []Status) Term {
	latest := max(own.Ballot.Term, own.Position.Term)
	for _, answer := range answers {
		latest = max(latest, answer.Ballot.Term, answer.Position.Term)
	}
	return latest + 1
}

// Duty is what a node has to do with its PostgreSQL.
type Duty string

const (
	// Stay as it is.
	Stay Duty = "stay"
	// Follow the primary that is named.
	Follow Duty = "follow"
	// StandBy starts as a standby, though it follows nobody yet. No node starts as the primary that it may have been.
	StandBy Duty = "stand by"
	// Campaign asks for votes, to become the primary.
	Campaign Duty = "campaign"
	// Wait until somebody else has done something.
	Wait Duty = "wait"
	// StepDown stops being the primary. One that would merely be voted for again could not tell which of the writes that
	// wait for standbys belong to which of its terms: it comes back as a standby and is promoted.
	StepDown Duty = "step down"
)

// Decision is a [Duty] with its reason, in words for an operator.
type Decision struct {
	Duty Duty
	// Of is the primary to follow.
	Of  string
	Why string
}

// Decide says what a node has to do, from its own status and what others answer; those that do not answer are left out.
// It is made for being asked again and again: a wrong or old answer costs time, and nothing else.
func Decide(own Status, members []string, answers []Status) Decision {
	primary, found := latestPrimary(answers)
	if own.Role == Primary {
		for _, answer := range answers {
			if answer.Ballot.Term > own.Ballot.Term {
				return Decision{StepDown, "", fmt.Sprintf("%s has voted in the later term %d", answer.Name, answer.Ballot.Term)}
			}
		}
		return Decision{Duty: Stay}
	}
	if found && MayFollow(own, primary.Ballot.Term) {
		if own.Role == Standby && own.Receiving && own.Ballot.Term == primary.Ballot.Term {
			return Decision{Duty: Stay}
		}
		return Decision{Follow, primary.Name, fmt.Sprintf("it is the primary of term %d", primary.Ballot.Term)}
	}
	switch {
	case own.Role == Empty:
		return Decision{Wait, "", "there are no data here, and no primary to copy them from"}
	case own.Role == Down:
		return Decision{StandBy, "", "no primary is to be seen"}
	case own.Receiving:
		return Decision{Duty: Stay}
	}
	agreeing := 1
	for _, answer := range answers {
		if slices.Contains(members, answer.Name) && answer.Role == Standby && !answer.Receiving {
			agreeing++
		}
		if own.Position.Behind(answer.Position) && answer.Role == Standby {
			return Decision{Wait, "", answer.Name + " has more: it is its turn"}
		}
	}
	if agreeing < Majority(len(members)) {
		return Decision{Wait, "", fmt.Sprintf("%d of %d nodes can agree", agreeing, len(members))}
	}
	return Decision{Campaign, "", "no primary is to be seen"}
}

// latestPrimary is the one of the latest term that answers.
func latestPrimary(answers []Status) (Status, bool) {
	var best Status
	found := false
	for _, answer := range answers {
		if answer.Role == Primary && (!found || answer.Ballot.Term > best.Ballot.Term) {
			best, found = answer, true
		}
	}
	return best, found
}
