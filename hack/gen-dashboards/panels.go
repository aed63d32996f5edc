package main

// dashboard is one page in Grafana: what its panels are, without where they stand.
type dashboard struct {
	file, uid, title string
	panels           []panel
}

// panel is a graph, or a number where only the present matters.
type panel struct {
	title, about string
	number       bool
	unit         string // of Grafana; "" is a plain number
	queries      []query
}

// query is one expression, and the legend of its series.
type query struct{ expr, legend string }

// dashboards are all of them. max and sum drop the name of the manager that leads, so that a line goes on in the next one.
func dashboards() []dashboard {
	return []dashboard{
		{"fleet.json", "shoal-fleet", "Shoal: fleet", fleet()},
		{"scheduler.json", "shoal-scheduler", "Shoal: scheduler", scheduler()},
		{"rebuild.json", "shoal-rebuild", "Shoal: rebuild", rebuild()},
		{"agents.json", "shoal-agents", "Shoal: agents", agents()},
	}
}

func fleet() []panel {
	return []panel{
		{"InstanceSets", "How many there are.", true, "", []query{{`max(shoal_instanceset_sets)`, "sets"}}},
		{"Instances not Ready", "Wanted and not offline, and not Ready.", true, "", []query{
			{`max(shoal_instanceset_wanted_instances) - max(shoal_instanceset_offline_instances) - max(shoal_instanceset_ready_instances)`, "instances"},
		}},
		{"Worst loss of one node", "The largest share of one group's instances that one node holds.", true, "percent", []query{
			{`max(shoal_policy_blast_radius_worst_percent)`, "of a group"},
		}},
		{"Instances", "Of all InstanceSets.", false, "", []query{
			{`max(shoal_instanceset_wanted_instances)`, "wanted"},
			{`max(shoal_instanceset_ready_instances)`, "ready"},
			{`max(shoal_instanceset_available_instances)`, "available"},
			{`max(shoal_instanceset_offline_instances)`, "offline"},
		}},
		{"Sets that are not as wanted", "By condition and its reason; docs/reasons has a page for each.", false, "", []query{
			{`sum by (type, reason) (shoal_instanceset_condition_sets{type=~"Ready|Placed|InSync",status!="True"})`, "{{type}}: {{reason}}"},
			{`sum by (type, reason) (shoal_instanceset_condition_sets{type=~"Progressing|Paused|NoMaster|TwoMasters",status="True"})`, "{{type}}: {{reason}}"},
		}},
		{"For how long", "The set that has been so for longest.", false, "s", []query{
			{`max by (type) (shoal_instanceset_condition_oldest_seconds{type=~"Ready|Placed|InSync",status="False"})`, "not {{type}}"},
			{`max by (type) (shoal_instanceset_condition_oldest_seconds{type=~"NoMaster|TwoMasters",status="True"})`, "{{type}}"},
		}},
		{"Instances with an exception", "By the code of the reason. Of each set the 50 worst count.", false, "", []query{
			{`sum by (reason) (shoal_instanceset_exception_instances)`, "{{reason}}"},
		}},
		{"Policies that are not kept, or cannot be", "By condition and its reason.", false, "", []query{
			{`sum by (type, status, reason) (shoal_policy_condition_policies{status!="True"})`, "{{type}} {{status}}: {{reason}}"},
		}},
		{"Instances of policies", "Those that are wanted, and those that hold a slot.", false, "", []query{
			{`max(shoal_policy_wanted_instances)`, "wanted"},
			{`max(shoal_policy_placed_instances)`, "placed"},
		}},
		{"Nodes", "Summed over all policies: a node counts once for each group that uses it.", false, "", []query{
			{`max(shoal_policy_used_nodes)`, "used"},
			{`max(shoal_policy_lost_nodes)`, "lost"},
		}},
		{"Managers", "One leads; two are up.", false, "", []query{
			{`sum(leader_election_master_status{job="shoal-manager"})`, "lead"},
			{`sum(up{job="shoal-manager"})`, "up"},
		}},
		{"Queues of the manager", "Objects that wait to be looked at.", false, "", []query{
			{`sum by (name) (workqueue_depth{job="shoal-manager"})`, "{{name}}"},
		}},
	}
}

func agents() []panel {
	return []panel{
		{"Agents that do not run", "Their instances do.", true, "", []query{{`sum(shoal_instanceset_exception_instances{reason="SHOAL2511"})`, "agents"}}},
		{"Authority ends in", "It is replaced 28 days before.", true, "s", []query{{`max(shoal_signer_authority_expiry_timestamp_seconds) - time()`, "authority"}}},
		{"Reports per second", "Of agents, that were taken.", true, "", []query{{`sum(rate(shoal_receive_reports_total[5m]))`, "reports"}}},
		{"Certificates", "Requests that were answered, by the code of the reason: SHOAL2501 was signed.", false, "", []query{
			{`sum by (reason) (increase(shoal_signer_requests_total[5m]))`, "{{reason}}"},
		}},
		{"Requests that wait", "Looks at requests that were left open, by the code of the reason, and tries that failed.", false, "", []query{
			{`sum by (reason) (increase(shoal_signer_waits_total[5m]))`, "waits: {{reason}}"},
			{`sum(increase(shoal_signer_failures_total[5m]))`, "failed"},
		}},
		{"The authority", "Steps of its replacement, and looks at it that failed.", false, "", []query{
			{`sum by (step) (increase(shoal_signer_rotation_steps_total[5m]))`, "{{step}}"},
			{`sum(increase(shoal_signer_keep_failures_total[5m]))`, "failed"},
		}},
		{"Reports", "That were taken.", false, "", []query{{`sum(rate(shoal_receive_reports_total[5m]))`, "per second"}}},
		{"Refusals", "Of connections and reports, by cause.", false, "", []query{
			{`sum by (cause) (increase(shoal_receive_refusals_total[5m]))`, "{{cause}}"},
		}},
		{"Leading agents here", "Tries that failed.", false, "", []query{{`sum(increase(shoal_receive_lead_failures_total[5m]))`, "failed"}}},
	}
}

// leads leaves out a scheduler that does not lead: its queue holds all pods that wait, too.
const leads = ` * on (instance) group_left () leader_election_master_status{job="shoal-scheduler"}`

func scheduler() []panel {
	return []panel{
		{"Pods that wait", "By the scheduler's queue.", true, "", []query{{`sum(scheduler_pending_pods{job="shoal-scheduler"}` + leads + `)`, "pods"}}},
		{"Pods held behind another one", "Their group has no node for one like them (SHOAL1114).", true, "", []query{{`sum(shoal_scheduler_held_pods)`, "pods"}}},
		{"Index was wrong", "In the last day. Must be 0.", true, "", []query{{`sum(increase(shoal_scheduler_index_divergence_total[1d]))`, "times"}}},
		{"Refusals", "Tries without a node, by the code of each rule in the way.", false, "ops", []query{
			{`sum by (reason) (rate(shoal_scheduler_refusals_total[5m]))`, "{{reason}}"},
		}},
		{"Attempts", "Of all pods, by result.", false, "ops", []query{
			{`sum by (result) (rate(scheduler_schedule_attempts_total{job="shoal-scheduler"}[5m]))`, "{{result}}"},
		}},
		{"Duration of an attempt", "Of those that found a node.", false, "s", []query{
			{`histogram_quantile(0.5, sum by (le) (rate(scheduler_scheduling_attempt_duration_seconds_bucket{job="shoal-scheduler",result="scheduled"}[5m])))`, "median"},
			{`histogram_quantile(0.99, sum by (le) (rate(scheduler_scheduling_attempt_duration_seconds_bucket{job="shoal-scheduler",result="scheduled"}[5m])))`, "99 %"},
		}},
		{"Waiting pods", "By queue: active are tried now, unschedulable wait for an event, gated are held.", false, "", []query{
			{`sum by (queue) (scheduler_pending_pods{job="shoal-scheduler"}` + leads + `)`, "{{queue}}"},
			{`sum(shoal_scheduler_held_pods)`, "held behind another one"},
		}},
		{"Plans", "Made per second, by how. A plan is kept while it is followed.", false, "ops", []query{
			{`sum by (kind) (rate(shoal_scheduler_plan_duration_seconds_count[5m]))`, "{{kind}}"},
		}},
		{"Duration of a plan", "The slowest of a hundred.", false, "s", []query{
			{`histogram_quantile(0.99, sum by (kind, le) (rate(shoal_scheduler_plan_duration_seconds_bucket[5m])))`, "{{kind}}"},
		}},
		{"Nodes whose load is known", "By dimension. Empty when load is not measured.", false, "", []query{
			{`max by (dimension) (shoal_load_fresh_nodes)`, "{{dimension}}"},
			{`max(shoal_load_nodes)`, "nodes"},
		}},
		{"Preemption", "Attempts, and pods evicted.", false, "ops", []query{
			{`sum(rate(scheduler_preemption_attempts_total{job="shoal-scheduler"}[5m]))`, "attempts"},
			{`sum(rate(scheduler_preemption_victims_sum{job="shoal-scheduler"}[5m]))`, "victims"},
		}},
		{"Schedulers", "One leads; two are up.", false, "", []query{
			{`sum(leader_election_master_status{job="shoal-scheduler"})`, "lead"},
			{`sum(up{job="shoal-scheduler"})`, "up"},
		}},
		{"Memory", "Of each scheduler.", false, "bytes", []query{
			{`process_resident_memory_bytes{job="shoal-scheduler"}`, "{{instance}}"},
		}},
	}
}

func rebuild() []panel {
	return []panel{
		{"Sets that rebuild", "The condition Rebuilding is True.", true, "", []query{
			{`sum(shoal_instanceset_condition_sets{type="Rebuilding",status="True"}) or vector(0)`, "sets"},
		}},
		{"Nodes that are being left", "Summed over all policies.", true, "", []query{{`max(shoal_policy_lost_nodes)`, "nodes"}}},
		{"Maybe the last copy", "Instances on lost nodes without another that has proved to be alive.", true, "", []query{
			{`sum(shoal_instanceset_exception_instances{reason=~"SHOAL2109|SHOAL2111"}) or vector(0)`, "instances"},
		}},
		{"Why instances wait", "By the code of the reason; docs/reasons has a page for each.", false, "", []query{
			{`sum by (reason) (shoal_instanceset_exception_instances{reason=~"SHOAL21.."})`, "{{reason}}"},
		}},
		{"Sets, by what their rebuild waits for", "The condition Rebuilding, those without anything to do left out.", false, "", []query{
			{`sum by (reason) (shoal_instanceset_condition_sets{type="Rebuilding",reason!~"RebuildDone|RebuildNever"})`, "{{reason}}"},
		}},
		{"For how long", "The rebuild that has taken longest.", false, "s", []query{
			{`max(shoal_instanceset_condition_oldest_seconds{type="Rebuilding",status="True"})`, "rebuilding"},
		}},
		{"Steps of rebuilds", "Changes per second, by the code of their reason.", false, "ops", []query{
			{`sum by (kind, reason) (rate(shoal_instanceset_changes_total{reason=~"SHOAL21.."}[5m]))`, "{{kind}} {{reason}}"},
		}},
		{"Instances asked for their role", "Per second, by answer.", false, "ops", []query{
			{`sum by (answer) (rate(shoal_instanceset_holder_probes_total[5m]))`, "{{answer}}"},
		}},
		{"Writes that failed", "Per second, by the code of the reason.", false, "ops", []query{
			{`sum by (kind, reason) (rate(shoal_instanceset_change_failures_total[5m]))`, "{{kind}} {{reason}}"},
			{`sum(rate(shoal_instanceset_stale_cache_total[5m]))`, "put off: stale cache"},
		}},
	}
}
