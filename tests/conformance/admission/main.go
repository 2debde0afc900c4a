// Applies a MutatingAdmissionPolicy to a new Pod with the API server's own code: compiles its expressions, evaluates its
// conditions and its JSON patches. The policy's file is the argument; the Pod is standard input, and the changed Pod
// standard output. The policy has to be v1beta1.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	celgo "github.com/google/cel-go/cel"
	stable "k8s.io/api/admissionregistration/v1"
	policies "k8s.io/api/admissionregistration/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

type variable policies.Variable

func (v *variable) GetName() string            { return v.Name }
func (v *variable) GetExpression() string      { return v.Expression }
func (v *variable) ReturnTypes() []*celgo.Type { return []*celgo.Type{celgo.AnyType, celgo.DynType} }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	check(err)
	var policy policies.MutatingAdmissionPolicy
	check(yaml.UnmarshalStrict(text, &policy))
	text, err = io.ReadAll(os.Stdin)
	check(err)
	var pod corev1.Pod
	check(yaml.UnmarshalStrict(text, &pod))
	selector, err := metav1.LabelSelectorAsSelector(policy.Spec.MatchConstraints.ObjectSelector)
	check(err)
	if !selector.Matches(labels.Set(pod.Labels)) {
		show(&pod)
		return
	}

	options := cel.OptionalVariableDeclarations{StrictCost: true, HasAuthorizer: true}
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true))
	check(err)
	named := []cel.NamedExpressionAccessor{}
	for i := range policy.Spec.Variables {
		named = append(named, (*variable)(&policy.Spec.Variables[i]))
	}
	compiler.CompileAndStoreVariables(named, options, environment.StoredExpressions)
	conditions := []cel.ExpressionAccessor{}
	for i := range policy.Spec.MatchConditions {
		condition := matchconditions.MatchCondition(policy.Spec.MatchConditions[i])
		conditions = append(conditions, &condition)
	}
	fail := stable.Fail
	matcher := matchconditions.NewMatcher(compiler.CompileCondition(conditions, options, environment.StoredExpressions), &fail, "policy", "validate", policy.Name)

	scheme := runtime.NewScheme()
	check(corev1.AddToScheme(scheme))
	kind := corev1.SchemeGroupVersion.WithKind("Pod")
	pod.SetGroupVersionKind(kind)
	resource := corev1.SchemeGroupVersion.WithResource("pods")
	attributes := admission.NewAttributesRecord(&pod, nil, kind, "demo", pod.Name, resource, "", admission.Create, &metav1.CreateOptions{}, false, nil)
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedKind: kind, VersionedObject: &pod}
	ctx := compiler.CompositionEnv.CreateContext(context.Background())
	result := matcher.Match(ctx, versioned, nil, nil)
	check(result.Error)
	if !result.Matches {
		show(&pod)
		return
	}
	for _, mutation := range policy.Spec.Mutations {
		withPatches := options
		withPatches.HasPatchTypes = true
		evaluator := compiler.CompileMutatingEvaluator(&patch.JSONPatchCondition{Expression: mutation.JSONPatch.Expression}, withPatches, environment.StoredExpressions)
		patched, err := patch.NewJSONPatcher(evaluator).Patch(ctx, patch.Request{
			MatchedResource:     resource,
			VersionedAttributes: versioned,
			ObjectInterfaces:    admission.NewObjectInterfacesFromScheme(scheme),
		}, celconfig.RuntimeCELCostBudget)
		check(err)
		versioned.VersionedObject = patched
	}
	show(versioned.VersionedObject)
}

func show(object runtime.Object) {
	text, err := yaml.Marshal(object)
	check(err)
	os.Stdout.Write(text)
}
