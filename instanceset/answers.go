package instanceset

import (
	"context"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/instanceset/decide"
	"github.com/shoal-dev/shoal/redis"
)

// maxAsking is how many instances are asked at the same time.
const maxAsking = 32

// answers asks instances for their roles, all at the same time. No answer is an answer too.
func (r *reconciler) answers(ctx context.Context, probes []decide.Probe) []decide.Answer {
	answers := make([]decide.Answer, len(probes))
	free := make(chan struct{}, maxAsking)
	var all sync.WaitGroup
	for n, probe := range probes {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			answers[n] = r.answer(ctx, probe)
		})
	}
	all.Wait()
	return answers
}

func (r *reconciler) answer(ctx context.Context, probe decide.Probe) decide.Answer {
	role, err := r.ask(ctx, probe.Addr)
	if err != nil {
		r.probes.WithLabelValues("unreachable").Inc()
		log.FromContext(ctx).V(2).Info("an instance did not tell its role", "instance", probe.Name, "error", err.Error())
		return decide.Answer{Pod: probe.Pod, Unreachable: true}
	}
	r.probes.WithLabelValues(string(role.Kind)).Inc()
	return decide.Answer{Pod: probe.Pod, Master: role.Kind == redis.Master, Offset: role.Offset}
}
