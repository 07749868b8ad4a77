package standins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"wiab-staging/stand-in/program/kubernetes"
	"wiab-staging/stand-in/program/repeat"
)

type pod struct {
	Metadata struct {
		Name              string
		CreationTimestamp time.Time
	}
}

// Reap is the mode `reaper`: it removes the cannons that are older than Redis, as Wire's reaper does: what they have told Redis is gone.
func Reap(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: conformance reaper NAMESPACE")
	}
	pods := "/api/v1/namespaces/" + arguments[0] + "/pods"
	return repeat.Every(ctx, "reaper", 10*time.Second, 10*time.Second, func(ctx context.Context) error {
		var all struct{ Items []pod }
		if err := kubernetes.Ask(ctx, "GET", pods, nil, &all); err != nil {
			return err
		}
		var redis time.Time
		for _, one := range all.Items {
			if strings.Contains(one.Metadata.Name, "redis-ephemeral") && one.Metadata.CreationTimestamp.After(redis) {
				redis = one.Metadata.CreationTimestamp
			}
		}
		for _, one := range all.Items {
			if strings.HasPrefix(one.Metadata.Name, "cannon") && one.Metadata.CreationTimestamp.Before(redis) {
				fmt.Printf("removing %s, which is older than Redis\n", one.Metadata.Name)
				if err := kubernetes.Ask(ctx, "DELETE", pods+"/"+one.Metadata.Name, nil, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
