//go:build bench

package perf

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

const (
	algorithmMetric  = "scheduler_scheduling_algorithm_duration_seconds"
	throughputMetric = "SchedulingThroughput"
)

// result is one run of one case: microseconds per pod, and pods per second.
type result struct {
	wall, scheduler, algorithm, plugins, total float64
	throughput                                 float64
}

// readResults returns the results of each case, in the order of its rounds. Walls are the seconds that the algorithm took
// in each run, for one pod.
func readResults(dir string, s size, chosen []benchCase, walls []float64) (map[string][]result, error) {
	data, err := readItems(dir)
	if err != nil {
		return nil, err
	}
	runs := rounds(chosen, len(walls)/len(chosen))
	if len(runs) != len(walls) {
		return nil, fmt.Errorf("%d runs of %d cases were timed", len(walls), len(chosen))
	}
	results := map[string][]result{}
	for i, r := range runs {
		spent, err := readProfile(filepath.Join(dir, fmt.Sprintf("%s_run_%s-cpu.prof", r.name(), topic)))
		if err != nil {
			return nil, err
		}
		per := 1e6 / float64(s.pods)
		results[r.benchCase.name] = append(results[r.benchCase.name], result{
			wall: 1e6 * walls[i], throughput: data[r.name()][throughputMetric],
			scheduler: per * spent.scheduler, algorithm: per * spent.algorithm, plugins: per * spent.plugins, total: per * spent.total,
		})
	}
	return results, nil
}

// readItems returns the averages that scheduler_perf wrote, by test case and metric, in its units: milliseconds, pods/s.
func readItems(dir string) (map[string]map[string]float64, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_benchmark_"+topic+"_*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no measurements in %s: %w", dir, err)
	}
	slices.Sort(files) // the date is in the name
	text, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		return nil, err
	}
	var content struct {
		DataItems []struct {
			Data   map[string]float64
			Labels map[string]string
		}
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("reading %s: %w", files[len(files)-1], err)
	}
	items := map[string]map[string]float64{}
	for _, item := range content.DataItems {
		parts := strings.Split(item.Labels["Name"], "/") // BenchmarkPerfScheduling/<case>/run/<namespace>
		if len(parts) < 2 {
			continue
		}
		if items[parts[1]] == nil {
			items[parts[1]] = map[string]float64{}
		}
		items[parts[1]][item.Labels["Metric"]] = item.Data["Average"]
	}
	return items, nil
}

// report is a table of the medians, one of the means with their intervals, and the ratios of what the bars compare.
func report(s size, chosen []benchCase, results map[string][]result) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d nodes, %d pods, %d rounds, %d cores\n\n", s.nodes, s.pods, len(results[chosen[0].name]), runtime.NumCPU())
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "case\talgorithm us\tCPU algorithm us\tCPU scheduler us\tCPU plugins us\tCPU process us\tpods/s\t")
	for _, c := range chosen {
		median := func(of func(result) float64) string { return fmt.Sprintf("%.0f", medianOf(results[c.name], of)) }
		fmt.Fprintln(table, strings.Join([]string{
			c.name, median(wall), median(algorithm), median(scheduler),
			median(func(r result) float64 { return r.plugins }), median(func(r result) float64 { return r.total }),
			median(func(r result) float64 { return r.throughput }), "",
		}, "\t"))
	}
	_ = table.Flush()
	text.WriteString("\nmean of the rounds, and the interval that has 95 %\n")
	table = tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "case\talgorithm us\tCPU algorithm us\tCPU scheduler us\tCPU plugins us\tpods/s\t")
	for _, c := range chosen {
		r := results[c.name]
		fmt.Fprintln(table, strings.Join([]string{
			c.name, around(r, wall), around(r, algorithm), around(r, scheduler), around(r, func(r result) float64 { return r.plugins }),
			around(r, func(r result) float64 { return r.throughput }), "",
		}, "\t"))
	}
	_ = table.Flush()
	text.WriteString("\nratios within a round: geometric mean, and the interval that has 95 %\n")
	table = tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "cost of / cost of\talgorithm, by the clock\tCPU algorithm\tCPU scheduler\t")
	for _, pair := range [][2]string{
		{"without", "m"}, {"without", "m-k-shard"}, {"without", "shipped"},
		{"default", "m"}, {"default", "m-k-shard"}, {"default", "shipped"},
		{"antiaffinity", "shipped"}, {"spread", "shipped"},
	} {
		a, b := results[pair[0]], results[pair[1]]
		if len(a) == 0 || len(b) == 0 {
			continue
		}
		fmt.Fprintf(table, "%s / %s\t%s\t%s\t%s\t\n", pair[0], pair[1], ratio(a, b, wall), ratio(a, b, algorithm), ratio(a, b, scheduler))
	}
	_ = table.Flush()
	return text.String()
}

func wall(r result) float64      { return r.wall }
func algorithm(r result) float64 { return r.algorithm }
func scheduler(r result) float64 { return r.scheduler }

func medianOf(results []result, of func(result) float64) float64 {
	var values []float64
	for _, r := range results {
		values = append(values, of(r))
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// around is the mean of a case over all rounds, and its interval.
func around(results []result, of func(result) float64) string {
	var values []float64
	for _, r := range results {
		values = append(values, of(r))
	}
	mean, half := interval(values)
	if math.IsInf(half, 1) {
		return fmt.Sprintf("%.0f (one round)", mean)
	}
	return fmt.Sprintf("%.0f (%.0f to %.0f)", mean, mean-half, mean+half)
}

// ratio compares two cases round by round, so that what the machine did else in a round touches both.
func ratio(a, b []result, of func(result) float64) string {
	var logs []float64
	for i := range a {
		logs = append(logs, math.Log(of(a[i])/of(b[i])))
	}
	mean, half := interval(logs)
	return fmt.Sprintf("%.2f (%.2f to %.2f)", math.Exp(mean), math.Exp(mean-half), math.Exp(mean+half))
}

// studentT are the 97.5 % quantiles of Student's t distribution, for 1 degree of freedom and up.
var studentT = []float64{12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23}

// interval returns the mean, and half the width of its 95 % confidence interval; infinite for a single value.
func interval(values []float64) (mean, half float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	if n < 2 {
		return mean, math.Inf(1)
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	t := studentT[min(len(values)-2, len(studentT)-1)]
	return mean, t * math.Sqrt(squares/(n-1)/n)
}
