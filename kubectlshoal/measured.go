package kubectlshoal

import (
	"context"
	"fmt"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/shoal-dev/shoal/api/config"
	"github.com/shoal-dev/shoal/kubectlshoal/answer"
	"github.com/shoal-dev/shoal/kubectlshoal/snapshot"
	"github.com/shoal-dev/shoal/kubectlshoal/trial"
	"github.com/shoal-dev/shoal/load"
	"github.com/shoal-dev/shoal/plugins/loadbalance"
)

// measure adds measured load to an answer, from the source that the scheduler's configuration names, or from prometheus with
// its queries. Without either nobody is asked. A source that does not answer is no error: requests are shown, and why.
func (o *options) measure(ctx context.Context, c *snapshot.Cluster, f *answer.Fleet, prometheus string) error {
	from, err := o.loadSource(prometheus)
	if err != nil || from == nil {
		return err
	}
	if err := o.unmeasurable(c, from, prometheus); err != nil {
		return err
	}
	var cluster *rest.Config
	if from.Type == config.SourceMetricsAPI {
		if cluster, err = o.cluster.ToRESTConfig(); err != nil {
			return fmt.Errorf("finding the metrics API: %w (or measure with --prometheus)", err)
		}
	}
	source, err := loadbalance.SourceOf(from, cluster)
	if err != nil {
		return err
	}
	name := from.Type
	if from.Type == config.SourcePrometheus {
		name += " at " + withoutPassword(from.Prometheus.URL)
	}
	reading := answer.Reading{Source: name, MaxAge: time.Duration(from.MaxAgeSeconds) * time.Second}
	refresher := load.NewRefresher(source, load.RefreshOptions{
		Timeout: time.Duration(from.TimeoutSeconds) * time.Second, MaxAge: reading.MaxAge,
		Nodes:  func() ([]*corev1.Node, error) { return c.Nodes, nil },
		Report: func(r load.Report) { reading.Err = r.Err },
	})
	refresher.Refresh(ctx)
	reading.Snapshot, reading.At = refresher.Latest(), time.Now()
	f.Measure(c, reading)
	return nil
}

// unmeasurable refuses to lay the load of now over a dump of another time or of another cluster: the answer would be of no
// cluster at all. A file that says no time was written by hand, and is taken for the present.
func (o *options) unmeasurable(c *snapshot.Cluster, from *config.LoadSource, prometheus string) error {
	if o.dump == "" {
		return nil
	}
	flag := "--scheduler-config"
	if prometheus != "" {
		flag = "--prometheus"
	}
	if from.Type == config.SourceMetricsAPI {
		return fmt.Errorf("the load source in %s is the metrics API, which would be asked of the current cluster and not of the one in %s: leave out %s to see what pods ask for",
			o.config, o.dump, flag)
	}
	age := o.Now().Sub(c.TakenAt)
	if most := time.Duration(from.MaxAgeSeconds) * time.Second; !c.TakenAt.IsZero() && age.Abs() > most {
		return fmt.Errorf("%s was taken at %s, and Prometheus would say how busy the nodes are now: leave out %s to see what pods asked for (or leave out --cluster-dump)",
			o.dump, c.TakenAt.UTC().Format(time.RFC3339), flag)
	}
	return nil
}

// withoutPassword is an address as it may be shown: pages go into tickets.
func withoutPassword(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "an address that is none"
	}
	return parsed.Redacted()
}

// loadSource is nil where nothing is to be measured.
func (o *options) loadSource(prometheus string) (*config.LoadSource, error) {
	var from *config.LoadSource
	if o.config != "" {
		given, err := o.schedulerConfig()
		if err != nil {
			return nil, err
		}
		from = given.Load
	}
	if prometheus == "" {
		return from, nil
	}
	from, err := trial.AtPrometheus(prometheus, from)
	if err != nil {
		return nil, fmt.Errorf("--prometheus %s: %w", prometheus, err)
	}
	return from, nil
}
