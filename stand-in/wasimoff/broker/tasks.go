package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

const (
	// attempts and the pause between them are upstream's, for tasks whose provider has gone.
	attempts = 10
	// longest is how long a task may take for which nobody has set a deadline; upstream has no bound.
	longest = 10 * time.Minute
)

// failure is what a client is told of a task that did not run to its end, with a code of the Connect protocol.
type failure struct{ code, message string }

func (failure *failure) Error() string { return failure.message }

// run has some provider run a task. @returns how many providers it was given to.
func (broker *Broker) run(ctx context.Context, task *taskRequest) (*taskResponse, int, error) {
	if err := broker.prepare(task); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if task.QoS.Deadline != nil {
		ctx, cancel = context.WithDeadline(ctx, *task.QoS.Deadline)
		defer cancel()
	}
	for attempt := 1; ; attempt++ {
		one, err := broker.scheduler.acquire(ctx, task.QoS.Immediate)
		if err != nil {
			return nil, attempt - 1, broker.refusal(err, attempt-1)
		}
		task.Info.Provider = one.id
		response, err := one.run(ctx, task)
		broker.scheduler.release(one)
		switch {
		case err == nil:
			response.Info = task.Info
			broker.finished.Add(1)
			return response, attempt, nil
		case errors.Is(err, errGone):
			fmt.Printf("task %s: attempt %d: provider %s has gone\n", task.Info.ID, attempt, one.id)
			broker.retried.Add(1)
			if attempt == attempts {
				return nil, attempt, &failure{"unavailable", fmt.Sprintf("%d providers have gone while they ran it", attempts)}
			}
		case ctx.Err() != nil:
			return nil, attempt, broker.refusal(ctx.Err(), attempt)
		default:
			return nil, attempt, &failure{"internal", err.Error()}
		}
	}
}

// refusal says why a task was not run, or not to its end.
func (broker *Broker) refusal(err error, given int) error {
	providers, _ := broker.scheduler.states()
	switch {
	case errors.Is(err, errQueueFull):
		return &failure{"resource_exhausted", err.Error()}
	case errors.Is(err, errNoProvider):
		return &failure{"unavailable", err.Error()}
	case errors.Is(err, context.Canceled):
		return &failure{"canceled", "the client has gone"}
	case given > 0:
		return &failure{"deadline_exceeded", "the job did not end within its time, and was ended"}
	case len(providers) == 0:
		return &failure{"deadline_exceeded", "no provider has joined within the job's time"}
	}
	return &failure{"deadline_exceeded", "no worker was free within the job's time"}
}

// prepare gives a task its number, and providers references of files instead of contents and names.
func (broker *Broker) prepare(task *taskRequest) error {
	if task.Params == nil || task.Params.Binary == nil {
		return &failure{"invalid_argument", "params.binary is missing"}
	}
	for _, given := range []*file{task.Params.Binary, task.Params.Rootfs} {
		if given == nil {
			continue
		}
		if len(given.Blob) > 0 {
			ref, err := broker.Storage.put("", given.Blob)
			if err != nil {
				return &failure{"invalid_argument", err.Error()}
			}
			*given = file{Ref: ref}
			continue
		}
		ref, ok := broker.Storage.resolve(given.Ref)
		if !ok {
			return &failure{"not_found", fmt.Sprintf("there is no file %q: upload it first", given.Ref)}
		}
		given.Ref = ref
	}
	number := make([]byte, 8)
	rand.Read(number)
	task.Type = typeTaskRequest
	task.Info.ID = hex.EncodeToString(number)
	task.Info.Reference = task.Params.Binary.Ref
	return nil
}
