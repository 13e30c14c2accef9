# What R finds on the five data sets: emmeans' contrasts, car's Anova, R's own drop1, anova and profile likelihoods. Writes effects_r.json.
# Run: Rscript effects_r.R   (emmeans, car, MASS, jsonlite)
library(emmeans); library(car); library(MASS); library(jsonlite)
here <- "."
read <- function(name) read.csv(file.path(here, paste0(name, ".csv")), stringsAsFactors = TRUE)
penguins <- read("penguins"); spector <- read("spector"); scotland <- read("scotland")
warpbreaks <- read("warpbreaks"); visits <- read("visits")
exact <- glm.control(epsilon = 1e-15, maxit = 100)
models <- list(
  penguins = lm(body_mass_g ~ flipper_length_mm * species + bill_length_mm + sex, penguins),
  spector = glm(grade ~ gpa + tuce + psi, binomial, spector, control = exact),
  scotland = glm(yes ~ unemployment + mortality + area, Gamma("log"), scotland, control = exact),
  warpbreaks = glm(breaks ~ wool * tension, poisson, warpbreaks, control = exact),
  visits = glm(visits ~ age * smokes + clinic, poisson, visits, control = exact))
frame <- function(x) { x <- as.data.frame(x); for (n in names(x)) if (is.factor(x[[n]])) x[[n]] <- as.character(x[[n]]); x }
table_of <- function(x) { x <- as.data.frame(x); cbind(term = rownames(x), x) }
found <- list(versions = list(R = R.version.string, emmeans = as.character(packageVersion("emmeans")), car = as.character(packageVersion("car")), MASS = as.character(packageVersion("MASS"))))
for (name in names(models)) {
  model <- models[[name]]
  out <- list()
  for (type in 2:3) {
    out[[paste("Anova", type)]] <- if (name == "penguins") table_of(Anova(model, type = type)) else table_of(Anova(model, type = type, test.statistic = "LR"))
    if (name != "penguins") out[[paste("Wald", type)]] <- table_of(Anova(model, type = type, test.statistic = "Wald"))
    if (name == "scotland") out[[paste("F", type)]] <- table_of(Anova(model, type = type, test.statistic = "F", error.estimate = "pearson"))
  }
  out[["anova 1"]] <- if (name %in% c("penguins", "scotland")) table_of(anova(model, test = "F")) else table_of(anova(model, test = "Chisq"))
  out[["drop1"]] <- if (name %in% c("penguins", "scotland")) table_of(drop1(model, test = "F")) else table_of(drop1(model, test = "LRT"))
  # The profile is interpolated by a spline: so fine a grid that nothing is left of that.
  ends <- if (name == "penguins") confint(model) else confint(profile(model, alpha = 0.01, del = 0.02, maxsteps = 400))
  out[["confint"]] <- data.frame(name = rownames(ends), lower = ends[, 1], upper = ends[, 2])
  found[[name]] <- out
}
found$penguins[["HC3 Anova 2"]] <- table_of(Anova(models$penguins, type = 2, white.adjust = "hc3"))
at <- list(flipper_length_mm = 200)
found$penguins[["pairs tukey"]] <- frame(summary(contrast(emmeans(models$penguins, "species", at = at), "revpairwise", adjust = "tukey"), infer = TRUE))
found$penguins[["pairs holm"]] <- frame(summary(contrast(emmeans(models$penguins, "species", at = at), "revpairwise", adjust = "holm"), infer = TRUE))
found$warpbreaks[["pairs by wool"]] <- frame(summary(pairs(emmeans(models$warpbreaks, ~ tension | wool), reverse = TRUE, adjust = "tukey"), infer = TRUE))
found$warpbreaks[["sequential"]] <- frame(summary(contrast(emmeans(models$warpbreaks, ~ tension | wool), "consec", adjust = "none"), infer = TRUE))
found$visits[["reference"]] <- frame(summary(contrast(emmeans(models$visits, "clinic", at = list(age = 40)), "trt.vs.ctrl", adjust = "none"), infer = TRUE))
found$visits[["trends"]] <- frame(summary(emtrends(models$visits, "smokes", var = "age"), infer = TRUE))
write_json(found, file.path(here, "effects_r.json"), digits = 15, auto_unbox = TRUE, pretty = TRUE)
