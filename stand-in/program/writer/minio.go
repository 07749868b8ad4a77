package writer

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"

	"github.com/minio/minio-go/v7"

	"wiab-staging/stand-in/program/stores"
)

type minioStore struct {
	client         *minio.Client
	bucket, prefix string
	// acknowledged are the names of the objects that have been, by the numbers of their records.
	acknowledged map[int64]string
}

// minioOpener opens stores that know the names that former ones have given.
func minioOpener() open {
	acknowledged := map[int64]string{}
	return func(_ context.Context, access stores.Access, to target, run string) (store, error) {
		client, err := stores.MinIO(access, "us-east-1")
		if err != nil {
			return nil, err
		}
		return &minioStore{client, to.Bucket, "conformance-" + run + "/", acknowledged}, nil
	}
}

// put gives each attempt a name of its own, as cargohold names each upload anew. MinIO takes a write back that has not
// reached enough drives, and may do so after the client has given it up: of two attempts under one name, the undoing of
// the first would take away the second one, which was acknowledged.
func (s *minioStore) put(ctx context.Context, number int64) error {
	name := fmt.Sprintf("%s%d-%s", s.prefix, number, rand.Text())
	if err := stores.WriteObject(ctx, s.client, s.bucket, name, strconv.FormatInt(number, 10)); err != nil {
		return err
	}
	s.acknowledged[number] = name
	return nil
}

func (s *minioStore) read(ctx context.Context, last int64, found func(int64)) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	// Eight at a time: each takes a round trip to all of the erasure set.
	numbers, there := make(chan int64), make(chan int64, last)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for number := range numbers {
				text, err := stores.ReadObject(ctx, s.client, s.bucket, s.acknowledged[number])
				switch {
				case err == nil && text == strconv.FormatInt(number, 10):
					there <- number
				case err == nil:
					fail(fmt.Errorf("record %d has the content %q", number, text))
				case minio.ToErrorResponse(err).Code != minio.NoSuchKey:
					fail(err)
				}
			}
		})
	}
	for number := int64(1); number <= last && ctx.Err() == nil; number++ {
		numbers <- number
	}
	close(numbers)
	readers.Wait()
	close(there)
	for number := range there {
		found(number)
	}
	return context.Cause(ctx)
}

func (s *minioStore) clean(ctx context.Context) error {
	objects := s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true})
	for object := range objects {
		if object.Err != nil {
			return object.Err
		}
		if err := s.client.RemoveObject(ctx, s.bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *minioStore) close() {}
