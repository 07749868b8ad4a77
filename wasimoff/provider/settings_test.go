package provider

import (
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, broker, workers string) (*Settings, error) {
	t.Helper()
	t.Setenv("WASIMOFF_BROKER", broker)
	t.Setenv("WASIMOFF_WORKERS", workers)
	settings := &Settings{}
	return settings, settings.ReadVariables()
}

func TestOnlyAPlainNameIsMadeASecureContext(t *testing.T) {
	const flag = "--unsafely-treat-insecure-origin-as-secure="
	for broker, want := range map[string]string{
		"http://broker.wasimoff.svc:4080/": flag + "http://broker.wasimoff.svc:4080",
		"http://localhost:4080":            "",
		"http://127.0.0.1:4080/":           "",
		"https://wasimoff.example.com/":    "",
	} {
		settings, err := read(t, broker, "")
		if err != nil {
			t.Fatal(err)
		}
		flags := settings.flags("/p", true)
		at := slices.IndexFunc(flags, func(one string) bool { return strings.HasPrefix(one, flag) })
		if (at < 0) != (want == "") || (at >= 0 && flags[at] != want) {
			t.Errorf("%s: %v", broker, flags)
		}
	}
}

func TestTheSandboxIsOffOnlyWhereItHasToBe(t *testing.T) {
	settings, err := read(t, "http://localhost:4080", "2")
	if err != nil {
		t.Fatal(err)
	}
	for sandbox, want := range map[bool]bool{true: false, false: true} {
		if slices.Contains(settings.flags("/p", sandbox), "--no-sandbox") != want {
			t.Error(sandbox)
		}
	}
	if page := settings.page(); page != "http://localhost:4080#autoconnect=yes&workers=2" {
		t.Error(page)
	}
}

func TestWhatIsWrongIsSaidWithoutWhatWasTyped(t *testing.T) {
	for _, one := range [][2]string{
		{"", ""}, {"broker", ""}, {"ftp://b", ""}, {"https://u:hunter2@b/", ""}, {"https://b/", "0"}, {"https://b/", "many"},
	} {
		_, err := read(t, one[0], one[1])
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Error(one, err)
		}
	}
}
