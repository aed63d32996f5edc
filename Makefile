# `make help` lists the targets. Everything that is built goes to bin/.

MODULE  := github.com/shoal-dev/shoal
BIN     := $(CURDIR)/bin
TOOLS   := $(BIN)/tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The version of Kubernetes that Shoal is compiled with; components report it, and clients compare it.
KUBERNETES_VERSION = $(shell sed -n 's|^\tk8s.io/kubernetes \(v[0-9.]*\).*|\1|p' go.mod)

# One set of flags for everything that links Kubernetes, so that it is compiled once. -trimpath must stay off: it would
# double the cache, and tests of Kubernetes' that we run find their files by path.
export CGO_ENABLED := 0
export GOFLAGS     := -buildvcs=false
export GOWORK      := off
export KUBEBUILDER_ASSETS ?= $(BIN)/k8s
# Read by `playground demo`.
export KEEP REAL

# Programs for a release are the same on every machine: no path is in them. They have a cache of their own to fill.
PROGRAMS := $(BIN)
ifeq ($(RELEASE),1)
GOFLAGS  += -trimpath
PROGRAMS := $(BIN)/release
endif

LDFLAGS = -s -w -X main.version=$(VERSION) -X k8s.io/component-base/version.gitVersion=$(KUBERNETES_VERSION)

# Rooms without side effects: tested with the race detector, and benchmarked.
PURE_ROOMS := api/agent reason spelling placement podspec switchover/decide slots instanceset/decide
PURE       := $(foreach room,$(PURE_ROOMS),$(if $(wildcard $(room)/*.go),./$(room)/...))
NOT_PURE   = $(shell go list ./... | grep -vE '^$(MODULE)/($(subst $() ,|,$(PURE_ROOMS)))(/|$$)')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Targets named together run one after another: verify writes what lint reads.
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##### build and run

.PHONY: build
build: ## build scheduler, manager, agent, kubectl-shoal and playground into bin/
	go build -ldflags '$(LDFLAGS)' -o $(PROGRAMS)/shoal-scheduler ./cmd/scheduler
	go build -ldflags '$(LDFLAGS)' -o $(PROGRAMS)/shoal-manager ./cmd/manager
	go build -ldflags '$(LDFLAGS)' -o $(PROGRAMS)/shoal-agent ./cmd/agent
	go build -ldflags '$(LDFLAGS)' -o $(PROGRAMS)/kubectl-shoal ./cmd/kubectl-shoal
	ln -sf kubectl-shoal $(PROGRAMS)/kubectl_complete-shoal
	go build -ldflags '$(LDFLAGS)' -o $(PROGRAMS)/playground ./cmd/playground

IMAGE_REPO ?= localhost
IMAGE_TAG  ?= $(if $(filter command environment,$(origin VERSION)),$(VERSION),dev)
IMAGES     ?= shoal-scheduler,shoal-manager,shoal-agent,redis

.PHONY: images
images: build ## pack container images into bin/images/; IMAGE_REPO=registry/team VERSION=v1 names them, RELEASE=1 for a release
	@hack/stage images go -C hack/images run . -repo '$(IMAGE_REPO)' -tag '$(IMAGE_TAG)' -version '$(VERSION)' -only '$(IMAGES)' \
		-programs $(PROGRAMS) -redis-entrypoint $(CURDIR)/images/redis/shoal-redis -out $(BIN)/images

.PHONY: controlplane
controlplane: ## build Kubernetes' control plane from source into bin/k8s/ (the first time: over ten minutes on two cores)
	go run ./hack/controlplane

.PHONY: real-nodes-bin
real-nodes-bin: ## build what nodes with real kubelets need beside the control plane, into bin/node/
	go run ./hack/controlplane --real-nodes
	go -C hack/coredns build -ldflags '-s -w' -o $(BIN)/node/coredns .
	go build -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/node/pause ./cmd/pause

# Packages of Debian and Ubuntu. redis-server is what images of Redis are made of; busybox-static is for the tests.
REAL_NODE_PACKAGES := containerd runc containernetworking-plugins iptables e2fsprogs util-linux redis-server redis-sentinel redis-tools busybox-static

.PHONY: real-node-deps
real-node-deps: ## install the Debian packages that real nodes need (as root)
	@hack/install-packages $(REAL_NODE_PACKAGES)

# Real servers and Sentinels, for the tests of switchovers.
REDIS_PACKAGES := redis-server redis-sentinel

.PHONY: redis-deps
redis-deps: ## install the Debian packages that the tests of switchovers and of the agent start (as root)
	@hack/install-packages $(REDIS_PACKAGES)

# Programs that the tests of load/ and test/monitoring start on loopback. Without them those tests are skipped, or fail
# where REQUIRE_MONITORING is set, as .ci/run does.
MONITORING_PACKAGES := prometheus prometheus-node-exporter

.PHONY: monitoring-deps
monitoring-deps: ## install the Debian packages that the tests of measured load and of alerts use (as root)
	@hack/install-packages $(MONITORING_PACKAGES)

.PHONY: demo
demo: controlplane build $(if $(filter 1,$(REAL)),images real-nodes-bin) ## place two Redis clusters on 60 simulated nodes and lose a node; KEEP=1 leaves it running, REAL=1 adds a Redis on real nodes
	$(BIN)/playground demo

##### test

.PHONY: test
test: ## run all tests on a control plane built from source, with the time of each stage
	@hack/stage --new
	@hack/stage build $(MAKE) --no-print-directory controlplane build
	@hack/stage unit $(MAKE) --no-print-directory unit
	@hack/stage integration $(MAKE) --no-print-directory integration
	@hack/stage --report

.PHONY: unit
unit: ## run the tests that need no control plane
	@if command -v "$$(go env CC)" >/dev/null; then \
		echo "go test -race $(PURE)"; CGO_ENABLED=1 go test -race $(PURE); \
	else \
		echo "no C compiler here, so the pure rooms are tested without -race"; go test $(PURE); \
	fi
	go test $(NOT_PURE)
	go -C hack/images test .
	@$(MAKE) --no-print-directory bench-once

.PHONY: integration
integration: controlplane build ## run the tests against a real etcd and kube-apiserver
	go test -tags integration -count=1 -p 1 -parallel 8 -timeout 20m ./test/integration/...

.PHONY: placement-seeds
placement-seeds: controlplane build ## place groups with hardly any room to spare on a real control plane: SEEDS=20, from SEED=0 on
	go test -tags integration -count=1 -timeout 0 -v -run TestPlacementNeverDeadlocks ./test/integration \
		-seeds $(if $(filter command environment,$(origin SEEDS)),$(SEEDS),20) -seed $(or $(SEED),0) -instances 999

AGENTS ?= 10000

.PHONY: bench-agents
bench-agents: controlplane build ## measure what AGENTS=10000 simulated agents cost the manager that report each HEARTBEAT, and how soon labels follow
	go test -tags integration -count=1 -timeout 60m -v -run '^TestManyAgents$$' ./test/integration -agents $(AGENTS) -agents-heartbeat $(HEARTBEAT)

HEARTBEAT ?= 5m

.PHONY: bench-reports
bench-reports: ## measure what hearing AGENTS=10000 agents costs that say nothing new each HEARTBEAT, without a control plane; PROFILE=file for the CPU's
	go test -count=1 -timeout 60m -v -run '^TestIdleAgents$$' ./roles/receive -idle-agents $(AGENTS) -idle-heartbeat $(HEARTBEAT) $(if $(PROFILE),-idle-profile $(abspath $(PROFILE)))

INSTANCES ?= 1000

.PHONY: bench-instances
bench-instances: controlplane build ## measure what a set of INSTANCES=1000 costs, beside a StatefulSet and a plain client; ROUNDS=3 repeats the creations
	go test -tags integration -count=1 -timeout 3h -v -run '^TestManyInstances$$' ./test/integration -bench-instances $(INSTANCES) -bench-rounds $(or $(ROUNDS),1)

.PHONY: e2e
e2e: controlplane build images ## run the tests on nodes with real kubelets: root, and `make real-node-deps`
	@hack/stage real-nodes-bin $(MAKE) --no-print-directory real-nodes-bin
	@hack/stage e2e go test -tags e2e -count=1 -p 1 -timeout 30m ./test/e2e/...

# Without Redis the tests are skipped; REQUIRE_REDIS=1 makes that a failure.
.PHONY: test-redis
test-redis: ## hand masters over, and run the agent, on real Redis servers and Sentinels; RUNS=200 repeats the planned switchover, ONLY=regexp chooses tests
	go build -ldflags '$(LDFLAGS)' -o $(BIN)/shoal-agent ./cmd/agent
	RUNS='$(RUNS)' SHOAL_AGENT=$(BIN)/shoal-agent go test -tags redis -count=1 -parallel 4 -timeout 30m -v $(if $(ONLY),-run '$(ONLY)') ./test/realredis
	go test -tags redis -count=1 -timeout 10m -v -run '$(or $(ONLY),^Test(RealSentinels|AReal|ALineToAReal))' ./roles

SEEDS   ?= 2000
SIM      = $(BIN)/sim $(if $(LINES),-lines $(LINES)) $(if $(ONLY),-only $(ONLY))
NIGHTLY ?= $(BIN)/nightly-$(shell git rev-parse --short HEAD)

# Built, and not `go run`: that one dies of a signal and leaves what it runs behind.
.PHONY: sim-program
sim-program:
	@go build -o $(BIN)/sim ./hack/sim

.PHONY: sim
sim: sim-program ## play SEEDS seeds of a simulated cluster; SEED=n plays one, ONLY=names a part of it
	exec $(SIM) $(if $(SEED),-seed $(SEED) $(if $(filter command,$(origin SEEDS)),-seeds $(SEEDS)),-seeds $(SEEDS))

.PHONY: sim-nightly
sim-nightly: sim-program ## play 200,000 seeds; what was done stands in bin/, and a run that was ended goes on from there
	exec $(SIM) -seed 1000000 -seeds 200000 -state $(NIGHTLY)

.PHONY: fidelity
fidelity: $(if $(RECORD)$(TRACES),controlplane build) ## compare the simulation with recordings of the real control plane; RECORD=1 records anew
ifdef TRACES
	TRACES=$(TRACES) RECORD=$(RECORD) go test -tags integration -count=1 -timeout 40m -run '^TestRecordBindings$$' ./simulation/fidelity
else ifdef RECORD
	go test -tags integration -count=1 -timeout 40m -run '^TestRecord' ./simulation/fidelity
endif
	go test -count=1 -v -run . ./simulation/fidelity

.PHONY: mutation
mutation: ## plant bugs, one at a time, and see scenarios and seeds catch them; BUGS=names chooses, REDIS=1 asks the tests on real Redis servers
	go run ./hack/mutation $(if $(filter 1,$(REDIS)),-redis) $(BUGS)

# All together may take eight minutes, on a machine that does nothing else. Which bugs are planted changes from day to day.
.PHONY: simulation
simulation: sim-program ## what CI plays: seeds for three minutes, seeds with roles and with updates for one each, and a few planted bugs
	$(SIM) -seeds $(SEEDS) -for 3m
	$(SIM) -seed 2000000 -seeds 200 -for 1m
	$(SIM) -seed 3000000 -seeds 200 -for 1m
	go run ./hack/mutation -few 3 -turn $(shell date +%j | sed 's/^0*//') -seeds 100 -for 2m

.PHONY: monitoring-check
monitoring-check: ## run the alerts with promtool, and look for the metrics that they and the dashboards ask for
	@command -v promtool >/dev/null || { echo "promtool is not installed: run make monitoring-deps as root" >&2; exit 1; }
	go test -count=1 ./test/monitoring ./hack/gen-metrics ./hack/gen-dashboards

# A browser, and what reads its PDF. Without them browser-test is skipped, or fails where REQUIRE_BROWSER is set.
BROWSER_PACKAGES := chromium poppler-utils fonts-dejavu-core

.PHONY: browser-deps
browser-deps: ## install the Debian packages that browser-test needs (as root)
	@hack/install-packages $(BROWSER_PACKAGES)

.PHONY: browser-test
browser-test: ## look at the page of kubectl-shoal in Chromium: on screens, a phone, and paper; KEEP_PAGES=folder keeps what it saw
	go test -tags browser -count=1 -v ./test/browser $(if $(KEEP_PAGES),-keep $(abspath $(KEEP_PAGES)))

BENCH ?= .
COUNT ?= 1

.PHONY: bench
bench: ## run the benchmarks; BENCH=regexp chooses, COUNT=10 gives benchstat enough to compare
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PURE) $(if $(wildcard plugins),./plugins/...)

NODES   ?= 5000
PODS    ?= 10000
REPEAT  ?= 3
CASES   ?=
.PHONY: bench-once
bench-once: ## run the benchmarks of placement and plugins a few times on small clusters, to see that they run, and count allocations
	go test -run '^$$' -bench '^Benchmark(Pod|PreFilter|Filter|Score)$$/nodes=(100|1000)$$|^Benchmark(Plan|Pack|Guard)' -benchtime 3x ./placement ./plugins/dispersion
	go test -run '^$$' -bench '^Benchmark(Arrivals|Mixture)$$' -benchtime 1x ./plugins/dispersion
	go test -run '^TestAllocationsStayAsTheyAre$$' ./instanceset/decide

PERFOUT := $(BIN)/bench-scheduler

# etcd keeps its data in TMPDIR and waits for the disk with every write: in memory, the disk does not decide.
.PHONY: bench-scheduler
bench-scheduler: controlplane ## measure whole scheduler profiles with scheduler_perf: NODES, PODS, REPEAT; CASES=default,shipped chooses
	rm -rf $(PERFOUT) && mkdir -p $(PERFOUT)/logs
	ARTIFACTS=$(PERFOUT)/logs TMPDIR=$${TMPDIR:-$(if $(wildcard /dev/shm),/dev/shm,/tmp)} KUBE_CACHE_MUTATION_DETECTOR=false \
	PATH=$(BIN)/k8s:$$PATH go test -tags bench ./test/perf -run '^$$' -bench BenchmarkPerfScheduling -benchtime 1x -timeout 12h \
		-nodes $(NODES) -pods $(PODS) -repeat $(REPEAT) -cases '$(CASES)' -out $(PERFOUT) >$(PERFOUT)/log 2>&1 || \
		{ tail -n 40 $(PERFOUT)/log; exit 1; }
	@cat $(PERFOUT)/report.txt

##### keep the tree in order

.PHONY: generate
generate: $(TOOLS)/controller-gen ## rewrite generated code, CRDs and whatever the folders hack/gen-* make
	$(TOOLS)/controller-gen object paths=./api/...
	rm -f manifests/crds/shoal.dev_*.yaml
	$(TOOLS)/controller-gen crd:generateEmbeddedObjectMeta=true paths=./api/v1alpha1 output:crd:dir=manifests/crds
	go run ./hack/trimcrd manifests/crds/shoal.dev_*.yaml
	$(foreach generator,$(wildcard hack/gen-*),go run ./$(generator) &&) true

.PHONY: verify
verify: $(TOOLS)/controller-gen ## fail if anything generated, go.mod or the formatting is out of date, or go vet complains
	@hack/stage verify hack/verify

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## run the linters
	@hack/stage lint $(TOOLS)/golangci-lint run ./...
	cd hack/images && $(TOOLS)/golangci-lint run --config $(CURDIR)/.golangci.yml ./...

.PHONY: tools
tools: $(TOOLS)/controller-gen $(TOOLS)/golangci-lint ## build the pinned tools into bin/tools/

$(TOOLS)/controller-gen: PACKAGE := sigs.k8s.io/controller-tools/cmd/controller-gen
$(TOOLS)/golangci-lint:  PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/%: hack/tools/go.mod hack/tools/go.sum
	@hack/stage tools go -C hack/tools build -ldflags '-s -w' -o $@ $(PACKAGE)
	@touch $@

.PHONY: clean
clean: ## remove what was built, except the control plane and the tools
	rm -rf $(BIN)/shoal-scheduler $(BIN)/shoal-manager $(BIN)/shoal-agent $(BIN)/kubectl-shoal $(BIN)/kubectl_complete-shoal $(BIN)/playground $(BIN)/release $(BIN)/images $(BIN)/stages coverage.out

.PHONY: distclean
distclean: ## remove everything that was built
	rm -rf $(BIN) coverage.out
