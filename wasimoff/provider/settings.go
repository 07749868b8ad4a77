package provider

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings are what a provider is told: the variables of the deployment guide's image, and flags of its own.
type Settings struct {
	// Broker is the page that the browser opens.
	Broker *url.URL
	// Workers is a number, or "max" for all cores.
	Workers string
	// Token is shown to a front that asks for one; empty for none. Its user is always "wasimoff".
	Token string
	// Chromium is the path of the browser's program, Profile a folder for what it writes.
	Chromium, Profile string
	// Listen is where readiness is told.
	Listen string
	// Drain is how long jobs may take to end before an update ends them.
	Drain time.Duration
}

// ReadVariables fills in what comes from the environment.
func (settings *Settings) ReadVariables() error {
	broker := os.Getenv("WASIMOFF_BROKER")
	parsed, err := url.Parse(broker)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return errors.New("WASIMOFF_BROKER must be the URL of a broker, such as https://wasimoff.example.com/")
	}
	if parsed.User != nil {
		return errors.New("WASIMOFF_BROKER must have no password in it: everybody sees it; put the token into a file, WASIMOFF_TOKEN_FILE")
	}
	settings.Broker = parsed
	settings.Workers = os.Getenv("WASIMOFF_WORKERS")
	if settings.Workers == "" {
		settings.Workers = "max"
	}
	if number, err := strconv.Atoi(settings.Workers); settings.Workers != "max" && (err != nil || number < 1) {
		return errors.New(`WASIMOFF_WORKERS must be "max" or a number of at least 1`)
	}
	if file := os.Getenv("WASIMOFF_TOKEN_FILE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("WASIMOFF_TOKEN_FILE: %w", err)
		}
		settings.Token = strings.TrimSpace(string(text))
	}
	return nil
}

// page is what the browser opens; upstream's page reads the part behind the "#".
func (settings *Settings) page() string {
	page := *settings.Broker
	page.Fragment = "autoconnect=yes&workers=" + settings.Workers
	return page.String()
}

// flags are Chromium's. Without secure context a page has neither storage nor, in starless24, a transport.
func (settings *Settings) flags(profile string, sandbox bool) []string {
	flags := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + profile, "--disable-gpu", "--no-first-run",
		// What concerns the page is told by the protocol; the rest are complaints about a desktop that is not there.
		"--log-level=3", "--no-default-browser-check", "--no-pings", "--disable-extensions", "--disable-sync", "--disable-breakpad",
		// Nothing but the broker is anybody's business.
		"--disable-background-networking", "--disable-component-update", "--disable-default-apps",
		// Nobody looks at the page, and its timers count all the same.
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
	}
	if !sandbox {
		flags = append(flags, "--no-sandbox")
	}
	if host := settings.Broker.Hostname(); settings.Broker.Scheme == "http" && host != "localhost" && !strings.HasPrefix(host, "127.") {
		origin := url.URL{Scheme: "http", Host: settings.Broker.Host}
		flags = append(flags, "--unsafely-treat-insecure-origin-as-secure="+origin.String())
	}
	return append(flags, "about:blank")
}
