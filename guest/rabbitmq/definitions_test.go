package rabbitmq

import (
	"slices"
	"testing"
)

const exported = `{
 "rabbitmq_version": "3.10.8", "global_parameters": [{"name": "cluster_name", "value": "x"}],
 "vhosts": [{"name": "/"}],
 "users": [{"name": "wire", "password_hash": "h", "tags": ["monitoring", "other"], "limits": {}}, {"name": "guest", "tags": []}],
 "permissions": [{"user": "wire", "vhost": "/", "configure": ".*"}],
 "policies": [{"vhost": "/", "name": "ha", "definition": {"ha-params": 2}}],
 "queues": [{"name": "q"}], "exchanges": [], "bindings": []
}`

func read(t *testing.T, text string) Definitions {
	t.Helper()
	definitions, err := ReadDefinitions([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return definitions
}

func TestChanged(t *testing.T) {
	there := read(t, exported)
	same := `{"vhosts": [{"name": "/"}], "users": [{"name": "wire", "password_hash": "h", "tags": "monitoring,other"}],
	 "permissions": [{"user": "wire", "vhost": "/", "configure": ".*"}], "policies": [{"vhost": "/", "name": "ha", "definition": {"ha-params": 2}}]}`
	if got := Changed(there, read(t, same)); got != nil {
		t.Error(got)
	}
	other := `{"users": [{"name": "wire", "password_hash": "other"}], "permissions": [{"user": "new", "vhost": "/"}],
	 "policies": [{"vhost": "/", "name": "ha", "definition": {"ha-params": 3}}]}`
	if got := Changed(there, read(t, other)); !slices.Equal(got, []string{"users wire", "permissions new /", "policies / ha"}) {
		t.Error(got)
	}
}

func TestGuestAndRestorable(t *testing.T) {
	there := read(t, exported)
	if !HasGuest(there) || HasGuest(read(t, `{"users": []}`)) {
		t.Error("guest is not seen")
	}
	said, err := Restorable(there)
	if err != nil || said != "1 vhosts, 2 users, 1 permissions, 1 policies, 1 queues, 0 exchanges, 0 bindings" {
		t.Error(said, err)
	}
	if _, err := Restorable(read(t, `{"vhosts": []}`)); err == nil {
		t.Error("anything passes for a backup")
	}
	if _, err := ReadDefinitions([]byte("no")); err == nil {
		t.Error("anything passes for definitions")
	}
}
