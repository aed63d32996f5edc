package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/shoal-dev/shoal/redis"
)

// Election is what Sentinels say of a shard: who is master, and since which election.
type Election struct {
	Epoch  int64
	Master string // host:port
}

// Sentinels are those of a shard. One connection is kept, to one of them.
type Sentinels struct {
	addrs  []string
	shard  string
	access func() (redis.Access, error)
	at     string // whom conn is to
	conn   *redis.Conn
}

// NewSentinels asks the Sentinels at these host:port about the shard that they know by that name. Access is read for each new
// connection.
func NewSentinels(addrs []string, shard string, access func() (redis.Access, error)) *Sentinels {
	return &Sentinels{addrs: addrs, shard: shard, access: access}
}

// One is what one Sentinel says: the one to whom there is a connection, otherwise any.
func (s *Sentinels) One(ctx context.Context) (Election, error) {
	if s.conn == nil {
		addr := s.addrs[rand.IntN(len(s.addrs))]
		conn, err := s.connect(ctx, addr)
		if err != nil {
			return Election{}, fail(err)
		}
		s.at, s.conn = addr, conn
	}
	election, err := s.view(ctx, s.conn)
	if err != nil {
		_ = s.Close() // the next time another one may be asked
		return Election{}, fail(err)
	}
	return election, nil
}

// Most is the latest election that most of all the Sentinels name, who are asked at the same time. What fewer say is no
// election: they may have missed the last one, or make it up.
func (s *Sentinels) Most(ctx context.Context) (Election, error) {
	type said struct {
		Election
		err error
	}
	all := make([]said, len(s.addrs))
	var asking sync.WaitGroup
	for n, addr := range s.addrs {
		asking.Go(func() {
			conn, err := s.connect(ctx, addr)
			if err == nil {
				all[n].Election, err = s.view(ctx, conn)
				_ = conn.Close() // it has answered, or never will
			}
			all[n].err = err
		})
	}
	asking.Wait()
	votes, errs := map[Election]int{}, []error{}
	for _, one := range all {
		if one.err != nil {
			errs = append(errs, one.err)
		} else if votes[one.Election]++; votes[one.Election] > len(s.addrs)/2 {
			return one.Election, nil
		}
	}
	if len(errs) == len(s.addrs) {
		return Election{}, fail(errors.Join(errs...))
	}
	errs = append(errs, fmt.Errorf("%d of %d Sentinels answer, and most of all do not name the same master by the same election", len(all)-len(errs), len(all)))
	return Election{}, &Failure{answer, errors.Join(errs...)}
}

func (s *Sentinels) connect(ctx context.Context, addr string) (*redis.Conn, error) {
	access, err := s.access()
	if err != nil {
		return nil, &Failure{refused, err}
	}
	access.Name = "shoal-agent"
	return redis.Connect(ctx, addr, access)
}

func (s *Sentinels) view(ctx context.Context, conn *redis.Conn) (Election, error) {
	view, err := conn.View(ctx, s.shard)
	if err != nil {
		return Election{}, err
	}
	return Election{Epoch: int64(view.Epoch), Master: view.Master}, nil
}

// Close ends the connection that is kept.
func (s *Sentinels) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
