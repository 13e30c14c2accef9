// The losses of gradline's catalogue as a person with a table chooses among them: by what the target is.

export interface Option {
  readonly name: string;
  readonly title: string;
  readonly value: number;
  readonly step: number;
}

export interface LossEntry {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly labels?: true; // its targets are labels 0 and 1
  readonly option?: Option;
}

export interface LossGroup {
  readonly title: string;
  readonly losses: readonly LossEntry[];
}

const option = (name: string, title: string, value: number, step: number): Option => ({ name, title, value, step });

const CLASSES: LossGroup = {
  title: "Two or more classes",
  losses: [
    { name: "logistic", labels: true, title: "Logistic", about: "Labels 0 and 1: log odds." },
    { name: "probit", labels: true, title: "Probit", about: "Labels 0 and 1, by the normal distribution." },
    { name: "cloglog", labels: true, title: "Complementary log-log", about: "Whether anything happened at a rate." },
    { name: "loglog", labels: true, title: "Log-log", about: "The complementary one, the other way round." },
    { name: "cauchit", labels: true, title: "Cauchit", about: "Labels far on the wrong side count little." },
    { name: "multinomial", title: "Multinomial", about: "Any number of classes, text or numbers." },
    { name: "ordinal", title: "Ordinal", about: "Classes in an order." },
    { name: "hinge", title: "Hinge", about: "Labels -1 and 1: a margin." },
  ],
};

export const GROUPS: readonly LossGroup[] = [
  {
    title: "Any number",
    losses: [
      { name: "squared", title: "Squared", about: "The mean. What everybody begins with." },
      {
        name: "huber",
        title: "Huber",
        about: "Outliers count by their side, not by their size. In the target's units: a threshold far below the usual error is near the median.",
        option: option("threshold", "Threshold", 1.35, 0.05),
      },
      { name: "absolute", title: "Absolute", about: "The median." },
      { name: "quantile", title: "Quantile", about: "The level that a share of the targets stays below.", option: option("level", "Level", 0.9, 0.05) },
      { name: "expectile", title: "Expectile", about: "A mean in which targets above count more, or less.", option: option("level", "Level", 0.9, 0.05) },
      { name: "log_cosh", title: "Log cosh", about: "A smooth mean of squared and absolute, in the target's own units." },
      { name: "student_t", title: "Student's t", about: "Heavy tails of scale 1: outliers count little.", option: option("degrees", "Degrees of freedom", 4, 1) },
      { name: "tukey", title: "Tukey's biweight", about: "Rows far out count for nothing. In the target's units.", option: option("threshold", "Threshold", 4.685, 0.1) },
      { name: "cauchy", title: "Cauchy", about: "The heaviest tails.", option: option("scale", "Scale", 1, 0.1) },
      { name: "epsilon_insensitive", title: "Insensitive to small errors", about: "Errors within epsilon cost nothing.", option: option("epsilon", "Epsilon", 0.1, 0.05) },
      { name: "normal", title: "Normal, mean and spread", about: "Two linear predictors: the mean and the log of the spread." },
    ],
  },
  CLASSES,
  {
    title: "Counts",
    losses: [
      { name: "poisson", title: "Poisson", about: "Counts whose variance is their mean." },
      { name: "negative_binomial", title: "Negative binomial", about: "Counts that vary more." },
      { name: "zero_inflated", title: "Zero-inflated", about: "Counts among which some rows are always zero." },
      { name: "hurdle", title: "Hurdle", about: "Whether there are any, and how many there are then." },
      { name: "binomial", title: "Binomial", about: "Shares of trials." },
    ],
  },
  {
    title: "Amounts, shares and times",
    losses: [
      { name: "gamma", title: "Gamma", about: "Amounts above zero whose spread grows with their mean." },
      { name: "tweedie", title: "Tweedie", about: "Amounts that may be zero.", option: option("power", "Power of the variance", 1.5, 0.1) },
      { name: "beta", title: "Beta", about: "Shares strictly between 0 and 1." },
      { name: "exponential", title: "Exponential", about: "Times with a constant hazard." },
      { name: "weibull", title: "Weibull", about: "Times with a rising or falling hazard." },
      { name: "log_normal", title: "Log-normal", about: "Times whose logarithm is normal." },
      { name: "log_logistic", title: "Log-logistic", about: "Times whose logarithm is logistic." },
    ],
  },
];

export function lossEntry(name: string): LossEntry | undefined {
  for (const group of GROUPS) for (const loss of group.losses) if (loss.name === name) return loss;
  return undefined;
}

/** Whether a loss is of classes. */
export function ofClasses(name: string): boolean {
  return CLASSES.losses.some((loss) => loss.name === name);
}

/** Whether a loss takes labels 0 and 1. */
export function takesLabels(name: string): boolean {
  return CLASSES.losses.some((loss) => loss.name === name && loss.labels);
}
