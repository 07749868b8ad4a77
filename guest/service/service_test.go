package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// played notes what is done with it, and fails at one step.
type played struct {
	Service
	member, retires bool
	fails           string
	steps           []string
}

func (p *played) step(name string) error {
	p.steps = append(p.steps, name)
	if p.fails == name {
		return errors.New("failed")
	}
	return nil
}
func (p *played) Check(context.Context) error     { return p.step("check") }
func (p *played) Configure(context.Context) error { return p.step("configure") }
func (p *played) Hold(context.Context) error      { return p.step("hold") }
func (p *played) Serve(context.Context) error     { return p.step("serve") }
func (p *played) Join(context.Context) error      { return p.step("join") }
func (p *played) Drain(context.Context) error     { return p.step("drain") }
func (p *played) IsMember() bool                  { return p.member }
func (p *played) Retires() bool                   { return p.retires }

func TestApply(t *testing.T) {
	for _, test := range []struct {
		played
		wanted []string
	}{
		{played{}, []string{"check", "configure", "join"}},
		{played{member: true}, []string{"check", "configure", "hold", "serve"}},
		{played{member: true, retires: true}, []string{"check", "drain"}},
		{played{member: true, fails: "check"}, []string{"check"}},
		{played{member: true, fails: "configure"}, []string{"check", "configure"}},
		{played{member: true, fails: "hold"}, []string{"check", "configure", "hold"}},
	} {
		err := Apply(context.Background(), &test.played)
		if !slices.Equal(test.steps, test.wanted) || (err != nil) != (test.fails != "") {
			t.Errorf("%v, not %v: %v", test.steps, test.wanted, err)
		}
	}
}

func TestCode(t *testing.T) {
	for wanted, err := range map[int]error{Done: nil, Failed: errors.New("x"), Elsewhere: fmt.Errorf("%w: two", ErrElsewhere), Differs: ErrDiffers} {
		if Code(err) != wanted {
			t.Error(wanted, err)
		}
	}
}
