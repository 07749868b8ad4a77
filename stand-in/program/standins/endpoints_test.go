package standins

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var nodes = []string{"192.168.122.31", "192.168.122.32", "192.168.122.33"}

// asked answers for nodes, each of which is a primary, a standby or off.
func asked(states map[string]string) func(string) (bool, error) {
	return func(node string) (bool, error) {
		if states[node] == "off" {
			return false, errors.New("no route to host")
		}
		return states[node] == "primary", nil
	}
}

// published is what the names of the roles lead to afterwards.
func published(t *testing.T, names map[string]string, states map[string]string) error {
	t.Helper()
	roles, err := rolesOf(nodes, asked(states))
	if err != nil {
		return err
	}
	return publish(roles, func(role string, endpoints any) error {
		names[role] = fmt.Sprint(endpoints)
		return nil
	})
}

func TestNamesFollowAFailover(t *testing.T) {
	names := map[string]string{}
	for _, step := range []struct {
		states map[string]string
		rw, ro string
	}{
		{
			map[string]string{nodes[0]: "primary", nodes[1]: "standby", nodes[2]: "standby"},
			"[map[addresses:[192.168.122.31]]]",
			"[map[addresses:[192.168.122.32]] map[addresses:[192.168.122.33]]]",
		},
		{
			map[string]string{nodes[0]: "off", nodes[1]: "primary", nodes[2]: "standby"},
			"[map[addresses:[192.168.122.32]]]",
			"[map[addresses:[192.168.122.33]]]",
		},
		{
			map[string]string{nodes[0]: "standby", nodes[1]: "primary", nodes[2]: "off"},
			"[map[addresses:[192.168.122.32]]]",
			"[map[addresses:[192.168.122.31]]]",
		},
		// The last one: reads go where they went.
		{
			map[string]string{nodes[0]: "off", nodes[1]: "primary", nodes[2]: "off"},
			"[map[addresses:[192.168.122.32]]]",
			"[map[addresses:[192.168.122.31]]]",
		},
	} {
		if err := published(t, names, step.states); err != nil {
			t.Fatal(err)
		}
		if names["rw"] != step.rw || names["ro"] != step.ro {
			t.Errorf("%v: rw %s, ro %s", step.states, names["rw"], names["ro"])
		}
	}
}

func TestNamesStayWithoutJustOnePrimary(t *testing.T) {
	names := map[string]string{"rw": "as it was"}
	for complaint, states := range map[string]map[string]string{
		"0 primaries: the services stay as they are\n192.168.122.31: no route to host": {nodes[0]: "off"},
		"2 primaries": {nodes[0]: "primary", nodes[1]: "primary"},
	} {
		err := published(t, names, states)
		if err == nil || !strings.HasPrefix(err.Error(), complaint) {
			t.Errorf("%v: %v", states, err)
		}
		if names["rw"] != "as it was" {
			t.Errorf("%v: rw leads to %s", states, names["rw"])
		}
	}
}
