package rabbitmq

import (
	"fmt"
	"regexp"
)

var series = regexp.MustCompile(`^(?:\d+:)?(\d+\.\d+)\.`)

// seriesOf is that of a Debian package's version, such as 3.10; the version itself if it has no such form.
func seriesOf(version string) string {
	if found := series.FindStringSubmatch(version); found != nil {
		return found[1]
	}
	return version
}

// Step says why an installed version cannot become another one; nil if it can. Data go up one series at a time, and never
// down.
// Which one is older is for dpkg to say.
func Step(node, installed, wanted, upgradesFrom string, older bool) error {
	switch {
	case installed == wanted:
		return nil
	case !older:
		return fmt.Errorf("%s has RabbitMQ %s, whose data the older %s cannot read", node, installed, wanted)
	case seriesOf(installed) == seriesOf(wanted), seriesOf(installed) == upgradesFrom:
		return nil
	}
	return fmt.Errorf("RabbitMQ %s on %s cannot become %s in one step: only %s can", installed, node, wanted, upgradesFrom)
}
