package apiserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// policies are our ValidatingAdmissionPolicies, compiled once and judged by the API server's own dispatcher.
type policies struct {
	dispatcher generic.Dispatcher[validating.PolicyHook]
	hooks      []validating.PolicyHook
	namespaces cache.Indexer // that exist
}

var _ admission.ValidationInterface = &policies{}

// Handles every operation; the policies say themselves which ones they are about.
func (p *policies) Handles(admission.Operation) bool { return true }

// Validate refuses what a policy refuses.
func (p *policies) Validate(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	return p.dispatcher.Dispatch(ctx, a, o, p.hooks)
}

// loadPolicies reads every policy and binding in the folder admission. Params are not supported, and ours use none.
func loadPolicies(manifests fs.FS, namespaces ...string) (*policies, error) {
	files, err := fs.Glob(manifests, "admission/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("looking for admission policies: %w", err)
	}
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for _, name := range namespaces {
		if err := indexer.Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return nil, err
		}
	}
	matcher := matching.NewMatcher(corelisters.NewNamespaceLister(indexer), nil)
	p := &policies{dispatcher: validating.NewDispatcher(nil, generic.NewPolicyMatcher(matcher)), namespaces: indexer}
	for _, file := range files {
		text, err := fs.ReadFile(manifests, file)
		if err != nil {
			return nil, fmt.Errorf("reading an admission policy: %w", err)
		}
		if err := p.read(text); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
	}
	return p, nil
}

func (p *policies) read(text []byte) error {
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return err
		}
		switch kind.Kind {
		case "ValidatingAdmissionPolicy":
			var policy validating.Policy
			if err := yaml.UnmarshalStrict(document, &policy); err != nil {
				return err
			}
			if err := p.addPolicy(&policy); err != nil {
				return fmt.Errorf("compiling %s: %w", policy.Name, err)
			}
		case "ValidatingAdmissionPolicyBinding":
			var binding validating.PolicyBinding
			if err := yaml.UnmarshalStrict(document, &binding); err != nil {
				return err
			}
			for i := range p.hooks {
				if p.hooks[i].Policy.Name == binding.Spec.PolicyName {
					p.hooks[i].Bindings = append(p.hooks[i].Bindings, &binding)
				}
			}
		}
	}
}

// addPolicy compiles a policy as the admission plugin does, which keeps that to itself.
func (p *policies) addPolicy(policy *validating.Policy) error {
	defaultMatch(policy.Spec.MatchConstraints)
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		return err
	}
	with := cel.OptionalVariableDeclarations{HasAuthorizer: true}
	var variables []cel.NamedExpressionAccessor
	for _, v := range policy.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: v.Name, Expression: v.Expression})
	}
	compiler.CompileAndStoreVariables(variables, with, environment.StoredExpressions)
	var conditions, validations []cel.ExpressionAccessor
	messages := make([]cel.ExpressionAccessor, len(policy.Spec.Validations)) // nil for one that is only text
	for i := range policy.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i]))
	}
	for n, v := range policy.Spec.Validations {
		if v.MessageExpression != "" {
			messages[n] = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
		}
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
	}
	compile := func(expressions []cel.ExpressionAccessor) cel.ConditionEvaluator {
		return compiler.CompileCondition(expressions, with, environment.StoredExpressions)
	}
	matcher := matchconditions.NewMatcher(compile(conditions), policy.Spec.FailurePolicy, "policy", "validate", policy.Name)
	evaluator := validating.NewValidator(compile(validations), matcher, compile(nil), compile(messages), policy.Spec.FailurePolicy, nil)
	if err := evaluator.CompileError(); err != nil {
		return err
	}
	p.hooks = append(p.hooks, validating.PolicyHook{Policy: policy, Evaluator: evaluator})
	return nil
}

// defaultMatch fills in what the API server would when the policy is stored.
func defaultMatch(m *admissionregistrationv1.MatchResources) {
	equivalent := admissionregistrationv1.Equivalent
	if m.MatchPolicy == nil {
		m.MatchPolicy = &equivalent
	}
	if m.NamespaceSelector == nil {
		m.NamespaceSelector = &metav1.LabelSelector{}
	}
	if m.ObjectSelector == nil {
		m.ObjectSelector = &metav1.LabelSelector{}
	}
	all := admissionregistrationv1.AllScopes
	for i := range m.ResourceRules {
		if m.ResourceRules[i].Scope == nil {
			m.ResourceRules[i].Scope = &all
		}
	}
}
